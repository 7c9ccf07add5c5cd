"""Detectors of PyOD as operators. Their scores are higher for anomalies; a row is one where its score exceeds
`threshold_` (pyod/models/base.py, predict). Scores stay PyOD's own, labels become those of the contract.

ECOD and COPOD rank a row among the training rows together with all rows of the same call. Here every row is
ranked alone, as PyOD does for a single row, so that a score does not depend on the rows beside it.
"""

import numpy as np

from attributes import Attributes, article
from densities import gaussian_mixture, kernel_density
from detectors import Verdict, attributes_of, isolation_forest, mahalanobis, one_class_svm, slack
from neighbors import local_outlier_factor, neighbor_distance
from plain_objects import Array, Estimator, Refused
from transformers import standard_scaler


def verdict(g, x, width, a: Attributes) -> Verdict:
    contamination = a.get("contamination", 0.1)
    if isinstance(contamination, Estimator):
        raise Refused(f"{article(a.kind)} {a.kind} with a threshold of PyThresh; fit it with a number for contamination")
    scores, size, *note = PYOD[a.kind](g, x, width, a)
    return Verdict(scores, g.op("Not", g.op("Greater", scores, _limit(a))), size, *note)


def _limit(a: Attributes):
    """The threshold, moved so that rows which score as the training rows at it are judged as PyOD judged those."""
    threshold = a.number("threshold_")
    trained = a.numbers("decision_scores_", shape=(None,)) if a.has("decision_scores_") else np.empty(0)
    if a.kind == "PyOD MCD":  # what predict() makes of these rows: the distance, and its square
        trained = np.square(np.sqrt(np.maximum(trained, 0.0)))
    near = slack(threshold, LEAST.get(a.kind, 0.0))
    at_it = trained[np.abs(trained - threshold) <= near] > threshold
    if len(at_it) == 0 or (at_it.any() and not at_it.all()):
        return threshold
    return threshold - near if at_it.all() else threshold + near


# Differences of numbers of this size: their last bits are those of these numbers, however small the threshold is.
LEAST = {"PyOD IForest": 0.5, "PyOD GMM": 1.0, "PyOD KDE": 1.0}


def iforest(g, x, width, a):
    found = isolation_forest(g, x, width, attributes_of(a.get("detector_"), "the forest of a PyOD IForest"))
    return g.op("Neg", found.scores), found.size


def pyod_lof(g, x, width, a):
    inner = attributes_of(a.get("detector_"), "the detector of a PyOD LOF")
    samples, size, note = local_outlier_factor(g, x, width, inner)
    return g.op("Neg", samples), size, note


def knn(g, x, width, a):
    neighbors = attributes_of(a.get("neigh_"), "the neighbours of a PyOD KNN")
    return neighbor_distance(g, x, width, neighbors, int(a.number("n_neighbors")), a.get("method", "largest"))


def ocsvm(g, x, width, a):
    found = one_class_svm(g, x, width, attributes_of(a.get("detector_"), "the detector of a PyOD OCSVM"))
    return g.op("Neg", found.scores), found.size


def mcd(g, x, width, a):
    """The squared distance of Mahalanobis from the robust centre."""
    distance = mahalanobis(g, x, width, attributes_of(a.get("detector_"), "the detector of a PyOD MCD"))
    return g.square(g.op("Sqrt", g.op("Max", distance, 0.0))), 0


def gmm(g, x, width, a):
    scores, size, note = gaussian_mixture(g, x, width, attributes_of(a.get("detector_"), "the mixture of a PyOD GMM"))
    return g.op("Neg", scores), size, note


def kde(g, x, width, a):
    scores, size, note = kernel_density(g, x, width, attributes_of(a.get("kde_"), "the density of a PyOD KDE"))
    return g.op("Neg", scores), size, note


def mad(g, x, width, a):
    """pyod/models/mad.py: the modified z-score of Iglewicz and Hoaglin."""
    spread = a.number("median_diff_")
    if width != 1 or spread <= 0:
        raise Refused(f"a PyOD MAD of {width} features whose median_diff_ is {spread}")
    away = g.op("Abs", g.op("Sub", x, a.number("median_")))
    return g.op("Div", g.op("Mul", away, 0.6745), spread), 0


def pca(g, x, width, a):
    if a.flag("standardization", True):
        x, width = standard_scaler(g, x, width, attributes_of(a.get("scaler_"), "the scaler of a PyOD PCA"))
    components = a.numbers("selected_components_", shape=(None, width))
    weights = a.numbers("selected_w_components_", shape=(len(components),))
    distances = g.op("Div", g.op("Sqrt", g.distances(x, components)), weights)
    return g.numpy_sum(distances, len(components)), len(components)


def hbos(g, x, width, a):
    """pyod/models/hbos.py: log2 of the density of a row's bin, and of the edge or the rarest bin outside."""
    alpha, tolerance = a.number("alpha"), a.number("tol")
    columns = []
    for at in range(width):
        density, edges = (_of_feature(a, name, at) for name in ("hist_", "bin_edges_"))
        logs = np.log2(density + alpha)
        if len(edges) != len(logs) + 1 or not np.isfinite(logs).all():
            raise Refused("a PyOD HBOS whose bins are damaged")
        column = g.column(x, at)
        # np.digitize(right=True): how many edges lie below.
        above = g.op("Cast", g.op("Less", edges[None], column), to=11)
        count = g.op("MatMul", above, np.ones((len(edges), 1)))
        score = g.op("Gather", g.constant(np.concatenate([logs[:1], logs, logs[-1:]])), g.op("Cast", count, to=7), axis=0)
        under = g.op("Greater", g.op("Sub", edges[0], column), (edges[1] - edges[0]) * tolerance)
        over = g.op("Greater", g.op("Sub", column, edges[-1]), (edges[-1] - edges[-2]) * tolerance)
        columns.append(g.op("Where", g.op("Or", under, over), np.full((1, 1), logs.min()), score))
    return g.op("Neg", g.numpy_sum(g.op("Concat", *columns, axis=1), width)), 0


def _of_feature(a, name, at):
    """Column `at` of an array, or array `at` of a list (bins='auto')."""
    values = a.get(name)
    if isinstance(values, Array) and values.objects() is not None:
        values = values.objects()
    if isinstance(values, list):
        return values[at].numpy()
    return a.numbers(name)[:, at]


def ecod(g, x, width, a):
    left, right, skewed = _tails(g, x, width, a)
    return g.numpy_sum(g.op("Max", g.op("Max", left, right), skewed), width), a.numbers("X_train").shape[0]


def copod(g, x, width, a):
    left, right, skewed = _tails(g, x, width, a)
    return g.numpy_sum(g.op("Max", skewed, g.op("Div", g.op("Add", left, right), 2.0)), width), a.numbers("X_train").shape[0]


def _tails(g, x, width, a):
    """Minus log of the share of rows up to, and from, this one; and the side that the skewness points to."""
    training = a.numbers("X_train", shape=(None, width))
    if (training == training[0]).all(axis=0).any():
        raise Refused(f"{article(a.kind)} {a.kind} with a feature that is the same in all training rows, for which PyOD has no score; leave that feature out")
    lefts, rights, signs = [], [], []
    total = len(training) + 1
    for at in range(width):
        column, points = g.column(x, at), training[:, at]
        for sides, compare in ((lefts, "LessOrEqual"), (rights, "GreaterOrEqual")):
            hits = g.op("Cast", g.op(compare, points[None], column), to=11)
            share = g.op("Div", g.op("Add", g.op("MatMul", hits, np.ones((len(points), 1))), 1.0), float(total))
            sides.append(g.op("Neg", g.op("Log", share)))
        signs.append(g.op("Sign", _third_moment(g, column, points, total)))
    left, right, sign = (g.op("Concat", *parts, axis=1) for parts in (lefts, rights, signs))
    skewed = g.op(
        "Add",
        g.op("Mul", g.op("Neg", left), g.op("Sign", g.op("Sub", sign, 1.0))),
        g.op("Mul", right, g.op("Sign", g.op("Add", sign, 1.0))),
    )
    return left, right, skewed


def _third_moment(g, column, points, total):
    """Sum of the cubes around the mean, of the training rows and this one: it has the sign of the skewness."""
    mean = g.op("Div", g.op("Add", column, float(points.sum())), float(total))
    away = g.op("Sub", points[None], mean)
    cubes = g.op("MatMul", g.op("Mul", g.square(away), away), np.ones((len(points), 1)))
    own = g.op("Sub", column, mean)
    return g.op("Add", cubes, g.op("Mul", g.square(own), own))


PYOD = {
    "PyOD IForest": iforest,
    "PyOD LOF": pyod_lof,
    "PyOD KNN": knn,
    "PyOD PCA": pca,
    "PyOD OCSVM": ocsvm,
    "PyOD MCD": mcd,
    "PyOD GMM": gmm,
    "PyOD KDE": kde,
    "PyOD MAD": mad,
    "PyOD HBOS": hbos,
    "PyOD ECOD": ecod,
    "PyOD COPOD": copod,
}
