"""From what a pickle holds to the parameters of a model, with scikit-learn's own meaning of each attribute.

Attributes are those scikit-learn's predict uses (`_gamma`, `_dual_coef_`, `_intercept_`), the same since 0.17.
Whatever this cannot carry over exactly is refused, never approximated.
"""

import numpy as np

from onnx_model import ModelParameters
from plain_objects import Array, Refused


def parameters_of(steps, features) -> ModelParameters:
    """`steps`: a OneClassSVM with RBF kernel, and a StandardScaler before it or not; `features`: names by their number. Raises Refused."""
    scaler = steps[0].attributes if len(steps) == 2 else None
    svm = steps[-1].attributes
    if svm.get("support_vectors_") is None:
        raise Refused("a OneClassSVM that was never fitted")
    if svm.get("_sparse"):
        raise Refused("a OneClassSVM fitted on sparse data")

    support_vectors = _numbers(svm, "support_vectors_")
    if support_vectors.ndim != 2 or 0 in support_vectors.shape:
        raise Refused(f"a OneClassSVM whose support_vectors_ have the shape {support_vectors.shape}")
    count, width = support_vectors.shape
    mean, scale = np.zeros(width), np.ones(width)
    if scaler is not None:
        if scaler.get("scale_", Refused) is Refused:
            raise Refused("a StandardScaler that was never fitted")
        if scaler.get("with_mean", True):
            mean = _numbers(scaler, "mean_", (width,))
        if scaler.get("with_std", True):
            scale = _numbers(scaler, "scale_", (width,))
    gamma = float(_numbers(svm, "_gamma", ()))
    dual_coef = _numbers(svm, "_dual_coef_" if "_dual_coef_" in svm else "dual_coef_", (1, count))[0]
    intercept = float(_numbers(svm, "_intercept_" if "_intercept_" in svm else "intercept_", (1,))[0])

    for name, values in (("mean_", mean), ("scale_", scale), ("support_vectors_", support_vectors),
                         ("gamma", gamma), ("dual_coef_", dual_coef), ("intercept_", intercept)):
        if not np.isfinite(values).all():
            raise Refused(f"a model whose {name} is not finite")
    if (scale == 0).any():
        raise Refused("a StandardScaler with a scale_ of 0")
    if gamma <= 0:
        raise Refused(f"a OneClassSVM with gamma={gamma!r}")
    # Far from all support vectors the score is the intercept: above 0, infinity would count as normal.
    if intercept > 0:
        raise Refused(f"a OneClassSVM with intercept_={intercept!r}, which calls everything far away normal")
    return ModelParameters(features(width), mean, scale, support_vectors, gamma, dual_coef, intercept)


def _numbers(attributes, name, shape=None):
    value = attributes.get(name)
    if isinstance(value, Array):
        values = value.numpy()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        values = np.float64(value)
    else:
        raise Refused(f"a model whose {name} is a {type(value).__name__}")
    if shape is not None and np.shape(values) != shape:
        raise Refused(f"a model whose {name} has the shape {np.shape(values)} instead of {shape}")
    return values
