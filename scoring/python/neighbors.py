"""Detectors that look at the nearest training rows: LocalOutlierFactor of scikit-learn, KNN and LOF of PyOD.

Distances are to all training rows, the nearest come from TopK. Where several rows are exactly as far away as the
last of the neighbours, scikit-learn's tree and TopK may choose others; only LOF depends on which.
"""

import numpy as np

from attributes import Attributes
from plain_objects import Array, Refused

REPEATS = (
    "values of its training rows repeat, as those of rounded readings do: where neighbours are equally near, scikit-learn may "
    "choose others than ONNX does, and labels may differ; a OneClassSVM or an IsolationForest has no such rows"
)
CANCELLED = (
    "scikit-learn measures its distances by brute force, as it does with more than 15 features or where half of the rows are "
    "neighbours, and loses digits so far from zero: labels may differ; put a StandardScaler before it"
)
EUCLIDEAN = ("euclidean", "l2", "minkowski")


def training_rows(a: Attributes, width):
    """Rows of a fitted NearestNeighbors, when it measures as the crow flies."""
    metric = a.get("effective_metric_", a.get("metric", "minkowski"))
    power = (a.get("effective_metric_params_") or {}).get("p", a.get("p", 2)) if metric == "minkowski" else 2
    power = float(power.numpy()) if isinstance(power, Array) else power
    if metric not in EUCLIDEAN or power != 2:
        raise Refused(f"a {a.kind} with metric={metric!r}; euclidean is converted")
    return a.numbers("_fit_X", shape=(None, width))


def nearest(g, x, points, count):
    """Distances [N, count], ascending, and the rows they are to."""
    if not 0 < count <= len(points):
        raise Refused(f"{count} neighbours among {len(points)} training rows")
    squares, rows = g.op("TopK", g.distances(x, points), g.ints(count), outputs=g.names(2), axis=1, largest=0, sorted=1)
    return g.op("Sqrt", squares), rows


def local_outlier_factor(g, x, width, a: Attributes):
    """sklearn/neighbors/_lof.py, score_samples; how many training rows there are; and a note where some are equal."""
    points = training_rows(a, width)
    count = int(a.number("n_neighbors_"))
    fitted = a.numbers("_distances_fit_X_", shape=(len(points), None))
    density = a.numbers("_lrd", shape=(len(points),))
    distances, rows = nearest(g, x, points, count)
    reach = g.op("Max", distances, g.op("Gather", g.constant(fitted[:, count - 1]), rows, axis=0))
    mean = g.op("Div", g.numpy_sum(reach, count), float(count))
    own = g.op("Div", 1.0, g.op("Add", mean, 1e-10))
    ratios = g.op("Div", g.op("Gather", g.constant(density), rows, axis=0), own)
    repeats = any(len(np.unique(column)) < len(points) for column in points.T)
    note = cancelled(a, points) or (REPEATS if repeats else "")
    return g.op("Neg", g.op("Div", g.numpy_sum(ratios, count), float(count))), len(points), note


def cancelled(a: Attributes, points):
    """sklearn/metrics/_pairwise_distances_reduction: |x|^2 - 2xy + |y|^2, whose error grows with the squares themselves."""
    error = np.finfo(np.float64).eps * np.square(points).sum(axis=1).max()
    return CANCELLED if a.get("_fit_method") == "brute" and error > 1e-9 * points.var(axis=0).sum() else ""


def neighbor_distance(g, x, width, a: Attributes, count, method):
    """pyod/models/knn.py, _get_dist_by_method."""
    points = training_rows(a, width)
    distances, _ = nearest(g, x, points, count)
    more = (len(points), cancelled(a, points))
    if method == "largest":
        return g.column(distances, count - 1), *more
    if method == "mean":
        return g.op("Div", g.numpy_sum(distances, count), float(count)), *more
    if method != "median":
        raise Refused(f"a KNN with method={method!r}")
    low, high = g.column(distances, (count - 1) // 2), g.column(distances, count // 2)
    return g.op("Div", g.op("Add", low, high), 2.0), *more
