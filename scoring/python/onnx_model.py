"""A scaler and a one-class SVM with RBF kernel as an ONNX model in plain double-precision operators.

skl2onnx writes this pipeline in single precision, which changes labels at the boundary, and in a double
form that onnxruntime does not load. Plain operators on doubles give scikit-learn's own labels. What is
built here is a contract: names, shapes and order of operators are what the packs read (scoring/).
"""

import json
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
KIND = "scaler+ocsvm-rbf"


@dataclass(frozen=True)
class ModelParameters:
    """All doubles, F features, K support vectors. score = sum(dual * exp(-gamma * |z - sv|^2)) + intercept."""

    features: tuple  # names of the F inputs, in order
    mean: np.ndarray  # [F], subtracted from the input
    scale: np.ndarray  # [F], divides what is left: z
    support_vectors: np.ndarray  # [K, F], in units of z
    gamma: float
    dual_coef: np.ndarray  # [K]
    intercept: float


def build_model(parameters: ModelParameters) -> bytes:
    """The model as bytes; the same parameters give the same bytes.

    Input `input` double [N, F]; outputs `label` int64 [N, 1] (1 normal, -1 anomaly) and `scores` double
    [N, 1]. An input that is not a number, or infinite, comes out as an anomaly: its score is not > 0.
    The squares of several features are added one after the other: the order in which onnxruntime's ReduceSum
    adds them depends on where the row lies in memory, and so would the last bit of the score.
    """
    p = parameters
    support_vectors = np.asarray(p.support_vectors, np.float64)
    count, features = support_vectors.shape

    def constant(name, value, dtype):
        return numpy_helper.from_array(np.asarray(value, dtype, order="C"), name)

    if features == 1:
        sum_constants = [constant("axis_2", [2], np.int64)]
        sum_nodes = [helper.make_node("ReduceSum", ["squares", "axis_2"], ["distances"], keepdims=0)]
    else:
        sum_constants = [constant(f"feature_{f}", f, np.int64) for f in range(features)]
        sums = ["square_0", *(f"sum_{f}" for f in range(1, features - 1)), "distances"]
        sum_nodes = [
            *(helper.make_node("Gather", ["squares", f"feature_{f}"], [f"square_{f}"], axis=2) for f in range(features)),
            *(helper.make_node("Add", [sums[f - 1], f"square_{f}"], [sums[f]]) for f in range(1, features)),
        ]
    initializers = [
        constant("mean", p.mean, np.float64),
        constant("scale", p.scale, np.float64),
        constant("support_vectors", support_vectors[None], np.float64),
        constant("neg_gamma", [-p.gamma], np.float64),
        constant("dual_coef", np.reshape(p.dual_coef, (count, 1)), np.float64),
        constant("intercept", [p.intercept], np.float64),
        constant("axis_1", [1], np.int64),
        *sum_constants,
        constant("zero", [0.0], np.float64),
        constant("normal", [1], np.int64),
        constant("anomaly", [-1], np.int64),
    ]
    nodes = [
        helper.make_node("Sub", ["input", "mean"], ["centered"]),
        helper.make_node("Div", ["centered", "scale"], ["scaled"]),
        helper.make_node("Unsqueeze", ["scaled", "axis_1"], ["scaled_rows"]),
        helper.make_node("Sub", ["scaled_rows", "support_vectors"], ["differences"]),
        helper.make_node("Mul", ["differences", "differences"], ["squares"]),
        *sum_nodes,
        helper.make_node("Mul", ["distances", "neg_gamma"], ["exponents"]),
        helper.make_node("Exp", ["exponents"], ["kernel"]),
        helper.make_node("MatMul", ["kernel", "dual_coef"], ["weighted"]),
        helper.make_node("Add", ["weighted", "intercept"], ["scores"]),
        # Greater is false for NaN, so NaN is an anomaly.
        helper.make_node("Greater", ["scores", "zero"], ["is_normal"]),
        helper.make_node("Where", ["is_normal", "normal", "anomaly"], ["label"]),
    ]
    graph = helper.make_graph(
        nodes,
        "scaler_ocsvm_rbf",
        [helper.make_tensor_value_info("input", TensorProto.DOUBLE, ["N", features])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["N", 1]),
            helper.make_tensor_value_info("scores", TensorProto.DOUBLE, ["N", 1]),
        ],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="fleetscore")
    model.ir_version = IR_VERSION
    helper.set_model_props(
        model, {"fleetscore.kind": KIND, "fleetscore.features": json.dumps(list(p.features), separators=(",", ":"))}
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)
