"""Detectors that look at the nearest training rows: LocalOutlierFactor of scikit-learn, KNN and LOF of PyOD.

Distances are to all training rows, the nearest come from TopK. Where several rows are exactly as far away as the
last of the neighbours, scikit-learn's tree and TopK may choose others; only LOF depends on which.
"""

import numpy as np

from attributes import Attributes, article
from plain_objects import Array, Refused
from projections import unit_rows

REPEATS = (
    "values of its training rows repeat, as those of rounded readings do: where neighbours are equally near, scikit-learn may "
    "choose others than ONNX does, and labels may differ; a OneClassSVM or an IsolationForest has no such rows"
)
CANCELLED = (
    "scikit-learn measures its distances by brute force, as it does with more than 15 features or where half of the rows are "
    "neighbours, and loses digits so far from zero: labels may differ; put a StandardScaler before it"
)
METRICS = {"euclidean": "euclidean", "l2": "euclidean", "manhattan": "manhattan", "l1": "manhattan", "cityblock": "manhattan", "chebyshev": "chebyshev", "cosine": "cosine", "minkowski": "minkowski"}


def metric_of(a: Attributes):
    """How distances are measured, and the power of a Minkowski metric. Raises Refused."""
    metric = a.get("effective_metric_", a.get("metric", "minkowski"))
    more = {**(a.get("metric_params") or {}), **(a.get("effective_metric_params_") or {})}
    power = more.pop("p", a.get("p", 2)) if metric == "minkowski" else 2
    power = float(power.numpy()) if isinstance(power, Array) else power
    known = METRICS.get(metric) if isinstance(metric, str) else None
    if known is None or any(value is not None for value in more.values()) or not isinstance(power, (int, float)) or power < 1:
        said = f"metric={metric!r}" if isinstance(metric, str) else "a metric of its own"
        parameters = f" and metric_params {', '.join(more)}" if more else ""
        raise Refused(f"{article(a.kind)} {a.kind} with {said}{parameters}; {', '.join(METRICS)} without parameters but p are converted")
    if known == "minkowski":
        known = {1: "manhattan", 2: "euclidean", float("inf"): "chebyshev"}.get(power, known)
    return known, float(power)


def training_rows(a: Attributes, width):
    """Rows of a fitted NearestNeighbors."""
    return a.numbers("_fit_X", shape=(None, width))


def distances_to(g, x, points, metric, power):
    """What grows with the distance [N, K], and a function that makes distances of it."""
    if metric == "euclidean":
        return g.distances(x, points), lambda squares: g.op("Sqrt", squares)
    if metric == "cosine":
        similar = g.op("MatMul", g.unit_rows(x, points.shape[1]), unit_rows(points).T)
        return g.op("Min", g.op("Max", g.op("Sub", 1.0, similar), 0.0), 2.0), lambda distances: distances
    measured = g.measured(x, points, metric, power)
    return measured, lambda sums: g.op("Pow", sums, 1.0 / power) if metric == "minkowski" else sums


def nearest(g, x, points, count, metric):
    """Distances [N, count], ascending, and the rows they are to."""
    if not 0 < count <= len(points):
        raise Refused(f"{count} neighbours among {len(points)} training rows")
    measured, root = distances_to(g, x, points, *metric)
    closest, rows = g.op("TopK", measured, g.ints(count), outputs=g.names(2), axis=1, largest=0, sorted=1)
    return root(closest), rows


def local_outlier_factor(g, x, width, a: Attributes):
    """sklearn/neighbors/_lof.py, score_samples; how many training rows there are; and a note where some are equal."""
    points = training_rows(a, width)
    count = int(a.number("n_neighbors_"))
    fitted = a.numbers("_distances_fit_X_", shape=(len(points), None))
    density = a.numbers("_lrd", shape=(len(points),))
    distances, rows = nearest(g, x, points, count, metric_of(a))
    reach = g.op("Max", distances, g.op("Gather", g.constant(fitted[:, count - 1]), rows, axis=0))
    mean = g.op("Div", g.numpy_sum(reach, count), float(count))
    own = g.op("Div", 1.0, g.op("Add", mean, 1e-10))
    ratios = g.op("Div", g.op("Gather", g.constant(density), rows, axis=0), own)
    repeats = any(len(np.unique(column)) < len(points) for column in points.T)
    # Lags: the largest difference between two rows is often that between two others.
    note = cancelled(a, points) or (REPEATS if repeats or metric_of(a)[0] == "chebyshev" else "")
    return g.op("Neg", g.op("Div", g.numpy_sum(ratios, count), float(count))), len(points), note


def cancelled(a: Attributes, points):
    """sklearn/metrics/_pairwise_distances_reduction: |x|^2 - 2xy + |y|^2, whose error grows with the squares themselves."""
    if metric_of(a)[0] != "euclidean":
        return ""
    error = np.finfo(np.float64).eps * np.square(points).sum(axis=1).max()
    return CANCELLED if a.get("_fit_method") == "brute" and error > 1e-9 * points.var(axis=0).sum() else ""


def neighbor_distance(g, x, width, a: Attributes, count, method):
    """pyod/models/knn.py, _get_dist_by_method."""
    points = training_rows(a, width)
    distances, _ = nearest(g, x, points, count, metric_of(a))
    more = (len(points), cancelled(a, points))
    if method == "largest":
        return g.column(distances, count - 1), *more
    if method == "mean":
        return g.op("Div", g.numpy_sum(distances, count), float(count)), *more
    if method != "median":
        raise Refused(f"a KNN with method={method!r}")
    low, high = g.column(distances, (count - 1) // 2), g.column(distances, count // 2)
    return g.op("Div", g.op("Add", low, high), 2.0), *more
