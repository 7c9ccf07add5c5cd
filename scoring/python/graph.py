"""An ONNX graph in double precision, put together operator by operator.

Sums over features are written as one addition after the other: the order in which onnxruntime's ReduceSum adds
depends on where a row lies in memory, and so would the last bit of a score.
"""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
ML_OPSET = 5  # TreeEnsemble in double precision
IR_VERSION = 8


class Graph:
    """Names of values go in, the name of the result comes out. `x`: the input, double [N, width]."""

    def __init__(self, width: int):
        self.width, self.x = width, "input"
        self.may_be_nan = False  # of a value that a step makes
        self.nodes, self.constants, self.initializers, self.domains = [], {}, [], set()

    def op(self, kind, *inputs, outputs=None, domain="", **attributes):
        """Appends an operator. Numbers and arrays among the inputs become constants of double."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        results = outputs or [f"v{len(self.nodes)}"]
        self.domains.add(domain)
        self.nodes.append(helper.make_node(kind, names, results, domain=domain, **attributes))
        return results[0] if len(results) == 1 else results

    def names(self, count):
        """Of an operator with several results."""
        return [f"v{len(self.nodes)}_{at}" for at in range(count)]

    def constant(self, value, dtype=np.float64):
        array = np.asarray(value, dtype, order="C")
        if array.ndim == 0 and dtype == np.float64:
            array = array.reshape(1)
        key = (array.tobytes(), array.shape, array.dtype.str)
        if key not in self.constants:
            self.constants[key] = f"c{len(self.constants)}"
            self.initializers.append(numpy_helper.from_array(array, self.constants[key]))
        return self.constants[key]

    def ints(self, *values):
        return self.constant(list(values), np.int64)

    def column(self, x, at):
        """[N, 1]"""
        return self.op("Gather", x, self.ints(at), axis=1)

    def columns(self, x, at):
        """[N, len(at)]"""
        return self.op("Gather", x, self.ints(*at), axis=1)

    def total(self, x, width):
        """Sum of the columns, from left to right: [N, 1]."""
        return self._added([self.column(x, at) for at in range(width)])

    def numpy_sum(self, x, width):
        """Sum of the columns in the order of np.sum(axis=1): [N, 1].

        numpy/_core/src/umath/loops_utils.h.src, pairwise_sum: eight sums side by side, halves above 128.
        """
        return self._pairwise([self.column(x, at) for at in range(width)])

    def _added(self, columns):
        sum_ = columns[0]
        for column in columns[1:]:
            sum_ = self.op("Add", sum_, column)
        return sum_

    def _pairwise(self, columns):
        count = len(columns)
        if count < 8:
            return self._added(columns)
        if count > 128:
            half = count // 2 - count // 2 % 8
            return self.op("Add", self._pairwise(columns[:half]), self._pairwise(columns[half:]))
        whole = count - count % 8
        sums = [self._added(columns[at:whole:8]) for at in range(8)]
        while len(sums) > 1:
            sums = [self.op("Add", sums[at], sums[at + 1]) for at in range(0, len(sums), 2)]
        return self._added([*sums, *columns[whole:]])

    def square(self, x):
        return self.op("Mul", x, x)

    def distances(self, x, points):
        """Squared Euclidean distances of the rows [N, F] from the points [K, F]: [N, K]."""
        sum_ = None
        for at in range(points.shape[1]):
            squares = self.square(self.op("Sub", self.column(x, at), points[:, at][None]))
            sum_ = squares if sum_ is None else self.op("Add", sum_, squares)
        return sum_

    def measured(self, x, points, metric, power=2.0):
        """What grows with the distance of the rows [N, F] from the points [K, F]: [N, K]. `minkowski`: before the root."""
        sum_ = None
        for at in range(points.shape[1]):
            away = self.op("Abs", self.op("Sub", self.column(x, at), points[:, at][None]))
            if metric == "minkowski":
                away = self.op("Pow", away, float(power))
            sum_ = away if sum_ is None else self.op("Max" if metric == "chebyshev" else "Add", sum_, away)
        return sum_

    def unit_rows(self, x, width, norm="l2"):
        """Rows divided by their length; one without stays what it is (sklearn/preprocessing/_data.py, normalize)."""
        columns = [self.column(x, at) for at in range(width)]
        if norm == "l2":
            length = self.op("Sqrt", self._added([self.square(column) for column in columns]))
        else:
            sizes = [self.op("Abs", column) for column in columns]
            length = self._added(sizes) if norm == "l1" else sizes[0] if width == 1 else self.op("Max", *sizes)
        none = self.op("Less", length, 10 * np.finfo(np.float64).eps)
        return self.op("Div", x, self.op("Where", none, np.ones((1, 1)), length))

    def log_sum_exp(self, x, count, weights=None):
        """Of `count` columns: [N, 1]."""
        most = self.op("ReduceMax", x, axes=[1], keepdims=1)
        weights = np.ones((count, 1)) if weights is None else weights.reshape(count, 1)
        sum_ = self.op("MatMul", self.op("Exp", self.op("Sub", x, most)), weights)
        return self.op("Add", self.op("Log", sum_), most)

    def model(self, scores, normal, kind, features) -> bytes:
        """`scores` double [N, 1], `normal` bool [N, 1]; the same graph gives the same bytes."""
        self.op("Identity", scores, outputs=["scores"])
        self.op("Where", normal, self.ints(1), self.ints(-1), outputs=["label"])
        graph = helper.make_graph(
            self.nodes,
            kind,
            [helper.make_tensor_value_info("input", TensorProto.DOUBLE, ["N", self.width])],
            [
                helper.make_tensor_value_info("label", TensorProto.INT64, ["N", 1]),
                helper.make_tensor_value_info("scores", TensorProto.DOUBLE, ["N", 1]),
            ],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        if "ai.onnx.ml" in self.domains:
            opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
        model = helper.make_model(graph, opset_imports=opsets, producer_name="fleetscore")
        model.ir_version = IR_VERSION
        props = {"fleetscore.kind": kind, "fleetscore.features": json.dumps(list(features), separators=(",", ":"))}
        helper.set_model_props(model, props)
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)
