"""Detectors of scikit-learn as operators: the score of the library, and which rows are normal by its predict().

A detector takes a graph, a value [N, width] and its attributes, and gives a `Verdict`.
"""

from dataclasses import dataclass

import numpy as np

from attributes import Attributes
from densities import bayesian_mixture, gaussian_mixture, kernel_density
from forest import isolation_depths
from neighbors import local_outlier_factor
from plain_objects import Estimator, Refused


@dataclass(frozen=True)
class Verdict:
    scores: str  # double [N, 1], as the library's decision_function or score_samples
    normal: str  # bool [N, 1]
    size: int = 0  # support vectors, training rows, trees: what makes it large
    note: str = ""  # where labels may differ from the library's


def slack(limit, least=0.0):
    """How far beyond a limit a score still counts as equal to it: a row that was the limit must not pass it.

    Limits are quantiles of the scores of training rows, so with rounded or resting readings many rows have exactly the
    score that became the limit. The last bits of a logarithm or a power differ between processors (NumPy has operations
    of its own for AVX-512) and versions; distinct readings give scores that are much further apart than this.
    """
    return 1e-10 * max(abs(limit), least)


def one_class_svm(g, x, width, a):
    if a.flag("_sparse", False):
        raise Refused("a OneClassSVM fitted on sparse data")
    points = a.numbers("support_vectors_", shape=(None, width))
    weights = a.numbers("_dual_coef_", "dual_coef_", shape=(1, len(points)))
    kernel = g.op("MatMul", _kernel(g, x, points, a), weights.T)
    scores = g.op("Add", kernel, a.number("_intercept_", "intercept_"))
    return Verdict(scores, g.op("Greater", scores, 0.0), len(points))


def _kernel(g, x, points, a):
    """libsvm, Kernel::k_function: [N, K]."""
    kernel, gamma = a.get("kernel", "rbf"), a.number("_gamma", default=0.0)
    if kernel == "rbf":
        return g.op("Exp", g.op("Mul", g.distances(x, points), -gamma))
    dot = g.op("MatMul", x, points.T)
    if kernel == "linear":
        return dot
    if kernel not in ("poly", "sigmoid"):
        raise Refused(f"a OneClassSVM with kernel={kernel!r}" if isinstance(kernel, str) else "a OneClassSVM with a kernel of its own")
    shifted = g.op("Add", g.op("Mul", dot, gamma), a.number("coef0", default=0.0))
    return g.op("Tanh", shifted) if kernel == "sigmoid" else _power(g, shifted, int(a.number("degree", default=3)))


def _power(g, x, times):
    """libsvm, powi: by squaring, in this order."""
    power = None
    while times > 0:
        if times % 2 == 1:
            power = x if power is None else g.op("Mul", power, x)
        x = g.square(x)
        times //= 2
    return g.op("Add", g.op("Mul", x, 0.0), 1.0) if power is None else power


def sgd_one_class_svm(g, x, width, a):
    weights = a.numbers("coef_").reshape(-1, 1)
    if len(weights) != width:
        raise Refused(f"a SGDOneClassSVM of {len(weights)} features after steps that make {width}")
    scores = g.op("Sub", g.op("MatMul", x, weights), a.number("offset_"))
    return Verdict(scores, g.op("GreaterOrEqual", scores, 0.0))


def elliptic_envelope(g, x, width, a):
    distance = mahalanobis(g, x, width, a)
    if a.has("threshold_") and not a.has("offset_"):
        return _old_envelope(g, distance, a.number("threshold_"))
    scores = g.op("Sub", g.op("Neg", g.square(g.op("Sqrt", g.op("Max", distance, 0.0)))), a.number("offset_"))
    return Verdict(scores, g.op("GreaterOrEqual", scores, 0.0))


def mahalanobis(g, x, width, a):
    """The squared distance of Mahalanobis from the robust centre."""
    center = a.numbers("location_", shape=(width,))
    precision = a.numbers("precision_", shape=(width, width)) if a.has("precision_") else np.linalg.pinv(a.numbers("covariance_", shape=(width, width)), hermitian=True)
    away = g.op("Sub", x, center)
    return g.total(g.op("Mul", g.op("MatMul", away, precision), away), width)


def _old_envelope(g, distance, threshold):
    """scikit-learn 0.19: scores are differences of powers, and the distance itself decides."""
    normal = g.op("LessOrEqual", distance, threshold)
    return Verdict(g.op("Sub", threshold**0.33, g.op("Pow", g.op("Max", distance, 0.0), 0.33)), normal)


def isolation_forest(g, x, width, a):
    version = str(a.get("_sklearn_version", "1"))
    if version.startswith(("0.18", "0.19", "0.20", "0.21")):
        raise Refused(f"an IsolationForest of scikit-learn {version}, which counted paths otherwise; fit it with 0.22 or later")
    depths, divisor = isolation_depths(g, x, width, a)
    outlying = g.op("Pow", 2.0, g.op("Neg", g.op("Div", depths, divisor)))
    offset = a.number("offset_")
    scores = g.op("Sub", g.op("Neg", outlying), offset)
    # With contamination="auto" the limit is 0.5, and no score of a training row.
    limit = 0.0 if a.get("contamination", "auto") == "auto" else -slack(offset)
    return Verdict(scores, g.op("Not", g.op("Less", scores, limit)), len(a.list("estimators_")))


def lof(g, x, width, a):
    if not a.flag("novelty", False):
        raise Refused("a LocalOutlierFactor without novelty=True, which cannot predict; fit it with novelty=True")
    samples, size, note = local_outlier_factor(g, x, width, a)
    scores = g.op("Sub", samples, a.number("offset_"))
    return Verdict(scores, g.op("Not", g.op("Less", scores, 0.0)), size, note)


def by_density(density):
    def decide(g, x, width, a, threshold):
        scores, size, note = density(g, x, width, a)
        # Logarithms: what differs in their last bits is a share of the density.
        normal = g.op("Not", g.op("Less", scores, threshold - slack(threshold, 1.0)))
        return Verdict(scores, normal, size, note)

    return decide


DETECTORS = {
    "OneClassSVM": one_class_svm,
    "SGDOneClassSVM": sgd_one_class_svm,
    "EllipticEnvelope": elliptic_envelope,
    "IsolationForest": isolation_forest,
    "LocalOutlierFactor": lof,
}
# Scores by density: what is an anomaly is for a threshold to say.
DENSITIES = {
    "GaussianMixture": by_density(gaussian_mixture),
    "BayesianGaussianMixture": by_density(bayesian_mixture),
    "KernelDensity": by_density(kernel_density),
}


def attributes_of(found, what) -> Attributes:
    if not isinstance(found, Estimator):
        raise Refused(f"{what} is a {type(found).__name__}")
    return Attributes(found)
