"""From what a pickle holds to the parameters of a model, with scikit-learn's own meaning of each attribute.

Attributes are those scikit-learn's predict uses (`_gamma`, `_dual_coef_`, `_intercept_`), the same since 0.17.
Whatever this cannot carry over exactly is refused, never approximated.
"""

import re

import numpy as np

from onnx_model import ModelParameters
from safe_pickle import Array, Estimator, Refused

# The features of a window (scoring/features.ts).
FEATURE = re.compile(r"(mean|min|max|last|count)(\[-[1-9]\d?\])?")


def parameters_of(found) -> ModelParameters:
    """Raises Refused with what was found."""
    scaler, svm = _parts(found)
    kernel = svm.get("kernel", "rbf")
    if kernel != "rbf":
        raise Refused(f"a OneClassSVM with kernel={kernel!r}" if isinstance(kernel, str) else "a OneClassSVM with a kernel of its own")
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
    return ModelParameters(_features(scaler, svm, width), mean, scale, support_vectors, gamma, dual_coef, intercept)


def _parts(found):
    """Attributes of the scaler (or None) and of the SVM."""
    steps = [found]
    if isinstance(found, Estimator) and found.kind == "Pipeline":
        steps = found.attributes.get("steps")
        if not isinstance(steps, list) or not all(isinstance(s, tuple) and len(s) == 2 for s in steps):
            raise Refused("a Pipeline without steps")
        steps = [step for _, step in steps if step is not None and not (isinstance(step, str) and step == "passthrough")]
    kinds = [step.kind if isinstance(step, Estimator) else type(step).__name__ for step in steps]
    if kinds == ["OneClassSVM"]:
        return None, steps[0].attributes
    if kinds == ["StandardScaler", "OneClassSVM"]:
        return steps[0].attributes, steps[1].attributes
    if isinstance(found, Estimator) and found.kind == "Pipeline":
        raise Refused(f"a Pipeline of {', '.join(kinds) or 'nothing'}")
    raise Refused(f"a {kinds[0]}")


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


def _features(scaler, svm, width):
    """Names of the columns the model was fitted on, where they name features of a window."""
    names = (scaler or {}).get("feature_names_in_", svm.get("feature_names_in_"))
    names = names.data if isinstance(names, Array) else None
    if isinstance(names, list) and len(names) == width and all(isinstance(n, str) and FEATURE.fullmatch(n) for n in names):
        return tuple(names)
    if width == 1:
        return ("mean",)
    raise Refused(
        f"a model of {width} features that does not say which (fit it on a DataFrame whose columns are named "
        f"after features of a window, such as mean, min, max, last, count or mean[-1])"
    )
