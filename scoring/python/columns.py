"""Transformers of scikit-learn that keep some of the columns, or make more of them."""

from itertools import chain, combinations, combinations_with_replacement

import numpy as np

from attributes import article
from plain_objects import Array, Refused


def selected(mask_of):
    def select(g, x, width, a):
        mask = np.asarray(mask_of(a, width))
        if mask.shape != (width,):
            raise Refused(f"{article(a.kind)} {a.kind} of {mask.size} features after steps that make {width}")
        kept = np.flatnonzero(mask).tolist()
        if not kept:
            raise Refused(f"{article(a.kind)} {a.kind} that keeps no feature")
        return g.columns(x, kept), len(kept)

    return select


def _best(scores, count):
    mask = np.zeros(len(scores), bool)
    mask[np.argsort(scores, kind="mergesort")[len(scores) - count :]] = True
    return mask


def _scores(a, width):
    """Scores of the features; those that are not numbers are the worst (sklearn/feature_selection, _clean_nans)."""
    value = a.get("scores_")
    scores = value.numpy() if isinstance(value, Array) else a.numbers("scores_")
    return np.where(np.isnan(scores), np.finfo(np.float64).min, scores)


def k_best(a, width):
    scores, k = _scores(a, width), a.get("k", 10)
    return np.ones(len(scores), bool) if k == "all" else _best(scores, min(len(scores), int(a.number("k", default=10))))


def percentile(a, width):
    scores, share = _scores(a, width), a.number("percentile", default=10)
    limit = np.percentile(scores, 100 - share)
    mask = (scores > limit) if share < 100 else np.ones(len(scores), bool)
    ties = np.flatnonzero((scores == limit) & ~mask)
    mask[ties[: max(0, int(len(scores) * share / 100) - mask.sum())]] = True
    return mask


def below_alpha(a, width):
    return a.numbers("pvalues_", shape=(width,)) < a.number("alpha", default=0.05)


def variance_threshold(a, width):
    limit = a.number("threshold", default=0.0)
    return a.numbers("variances_", shape=(width,)) > limit


def supported(a, width):
    return a.numbers("support_", shape=(width,)) != 0


def polynomial_features(g, x, width, a):
    """sklearn/preprocessing/_polynomial.py: products of up to `degree` features, shorter ones first."""
    degree = a.get("degree", 2)
    low, high = degree if isinstance(degree, (tuple, list)) else (0, int(a.number("degree", default=2)))
    choose = combinations if a.flag("interaction_only", False) else combinations_with_replacement
    low = max(1, int(low))
    terms = list(chain.from_iterable(choose(range(width), size) for size in range(low, int(high) + 1)))
    columns = {(at,): g.column(x, at) for at in range(width)}

    def product(term):
        # Each term is its first feature times the rest, as scikit-learn multiplies.
        if term not in columns:
            columns[term] = g.op("Mul", product(term[1:]), columns[term[:1]])
        return columns[term]

    ones = [g.op("Add", g.op("Mul", columns[(0,)], 0.0), 1.0)] if a.flag("include_bias", True) else []
    parts = [*ones, *map(product, terms)]
    return g.op("Concat", *parts, axis=1), len(parts)


def bins(g, x, width, a):
    """sklearn/preprocessing/_discretization.py; before 1.1 a value just below an edge counted as at it."""
    edges = a.list("bin_edges_")
    if len(edges) != width:
        raise Refused(f"a KBinsDiscretizer of {len(edges)} features after steps that make {width}")
    columns = []
    for at, values in enumerate(value.numpy() for value in edges):
        column = g.column(x, at)
        if _is_before(a, 1, 1):
            column = g.op("Add", column, g.op("Add", g.op("Mul", g.op("Abs", column), 1e-5), 1e-8))
        inner = values[1:-1]
        above = g.op("Cast", g.op("GreaterOrEqual", column, inner[None]), to=11) if len(inner) else None
        index = g.op("MatMul", above, np.ones((len(inner), 1))) if above else g.op("Mul", column, 0.0)
        if a.get("encode", "onehot") == "ordinal":
            columns.append(index)
        else:
            columns.append(g.op("Cast", g.op("Equal", index, np.arange(len(values) - 1.0)[None]), to=11))
    total = width if a.get("encode", "onehot") == "ordinal" else sum(edge.shape[0] - 1 for edge in edges)
    return (columns[0] if width == 1 else g.op("Concat", *columns, axis=1)), total


def _is_before(a, major, minor):
    """Whether an older scikit-learn fitted it than this one."""
    parts = str(a.get("_sklearn_version", "99.0")).split(".")[:2]
    return all(part.isdigit() for part in parts) and tuple(map(int, parts)) < (major, minor)


def binarizer(g, x, width, a):
    return g.op("Cast", g.op("Greater", x, a.number("threshold", default=0.0)), to=11), width


def normalizer(g, x, width, a):
    norm = a.get("norm", "l2")
    if norm not in ("l1", "l2", "max"):
        raise Refused(f"a Normalizer with norm={norm!r}")
    if norm == "max" and _is_before(a, 0, 23):
        raise Refused("a Normalizer with norm='max' of scikit-learn before 0.23, which took signs for sizes; fit it with a newer one")
    return g.unit_rows(x, width, norm), width


COLUMNS = {
    "SelectKBest": selected(k_best),
    "SelectPercentile": selected(percentile),
    "SelectFpr": selected(below_alpha),
    "VarianceThreshold": selected(variance_threshold),
    "RFE": selected(supported),
    "RFECV": selected(supported),
    "SequentialFeatureSelector": selected(supported),
    "PolynomialFeatures": polynomial_features,
    "KBinsDiscretizer": bins,
    "Binarizer": binarizer,
    "Normalizer": normalizer,
}
