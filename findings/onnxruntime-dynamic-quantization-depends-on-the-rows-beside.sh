#!/usr/bin/env bash
# A model that quantize_dynamic made gives a row another score beside other rows, and NaN beside a row with a NaN.
#
# Surprising: `onnxruntime.quantization.quantize_dynamic` is documented as quantizing weights ahead and activations as they
# come, and its models take any number of rows. But the scale of DynamicQuantizeLinear is that of all rows of a call: the
# larger the largest value of any row, the coarser every other row becomes. The very same row has one score alone, another
# beside a row of a million, and none at all beside a row that is not a number. Nothing is said; each output looks sound.
# `quantize_static` has its scales from calibration, and gives each row one score.
#
# Why it matters to batch scoring: rows of many sensors, or of many windows, go into one call, in batches whose size depends
# on load. A label then depends on which readings happen to share the call, a retry with other rows gives other results,
# and one broken sensor takes the scores of its neighbours.
#
# ONNX Runtime 1.32.0, ONNX 1.23.2, NumPy 2.4.6. Exit code 1 when the behaviour has changed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$dir"
"$dir/venv/bin/python" - 2>/dev/null <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static

random = np.random.default_rng(1)
encode, decode = (random.normal(0, 0.5, shape).astype(np.float32) for shape in ((4, 8), (8, 4)))
graph = helper.make_graph(
    [
        helper.make_node('MatMul', ['x', 'encode'], ['hidden']),
        helper.make_node('MatMul', ['hidden', 'decode'], ['rebuilt']),
        helper.make_node('Sub', ['rebuilt', 'x'], ['away']),
        helper.make_node('ReduceL2', ['away'], ['score'], axes=[1], keepdims=1),
    ],
    'autoencoder',
    [helper.make_tensor_value_info('x', TensorProto.FLOAT, ['N', 4])],
    [helper.make_tensor_value_info('score', TensorProto.FLOAT, ['N', 1])],
    [numpy_helper.from_array(encode, 'encode'), numpy_helper.from_array(decode, 'decode')],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
onnx.save(model, 'plain.onnx')


class Readings(CalibrationDataReader):
    def __init__(self):
        self.rows = iter([{'x': random.normal(0, 1, (64, 4)).astype(np.float32)}])

    def get_next(self):
        return next(self.rows, None)


quantize_dynamic('plain.onnx', 'dynamic.onnx', weight_type=QuantType.QInt8)
quantize_static('plain.onnx', 'static.onnx', Readings())

row = np.array([[1, -0.5, 0.25, 2]], np.float32)
beside = {
    'alone': row,
    'beside a row of 100s': np.vstack([row, np.full((1, 4), 100, np.float32)]),
    'beside a row of 1e6': np.vstack([row, np.full((1, 4), 1e6, np.float32)]),
    'beside a row of NaN': np.vstack([row, np.full((1, 4), np.nan, np.float32)]),
}
print('onnxruntime', ort.__version__)
scores = {}
for kind in ('plain', 'static', 'dynamic'):
    session = ort.InferenceSession(f'{kind}.onnx', providers=['CPUExecutionProvider'])
    scores[kind] = [float(session.run(None, {'x': rows})[0][0, 0]) for rows in beside.values()]
    for name, score in zip(beside, scores[kind]):
        print(f'{kind:8} {name:22} {score}')

own, hundreds, million, broken = scores['dynamic']
depends = abs(hundreds - own) > 0.01 * own and abs(million - own) > 0.01 * own and not np.isclose(broken, own, rtol=0.01)
one_each = all(np.allclose(scores[kind], scores[kind][0], rtol=1e-5) for kind in ('plain', 'static'))
sys.exit(0 if depends and one_each else 1)
PYTHON
