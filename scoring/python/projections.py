"""Transformers of scikit-learn that multiply a row with a matrix, in the order of their transform()."""

import math

import numpy as np

from plain_objects import Refused


def pca(g, x, width, a):
    components = a.numbers("components_", shape=(None, width))
    x = g.op("MatMul", x, components.T)
    if a.has("mean_"):
        x = g.op("Sub", x, a.numbers("mean_", shape=(width,))[None] @ components.T)
    if a.flag("whiten", False):
        scale = np.sqrt(a.numbers("explained_variance_", shape=(len(components),)))
        x = g.op("Div", x, np.maximum(scale, np.finfo(np.float64).eps))
    return x, len(components)


def truncated_svd(g, x, width, a):
    components = a.numbers("components_", shape=(None, width))
    return g.op("MatMul", x, components.T), len(components)


def fast_ica(g, x, width, a):
    components = a.numbers("components_", shape=(None, width))
    if a.get("whiten", True) is not False:
        x = g.op("Sub", x, a.numbers("mean_", shape=(width,)))
    return g.op("MatMul", x, components.T), len(components)


def factor_analysis(g, x, width, a):
    """sklearn/decomposition/_factor_analysis.py, transform: Bishop, 12.66."""
    components = a.numbers("components_", shape=(None, width))
    weights = components / a.numbers("noise_variance_", shape=(width,))
    covariance = np.linalg.inv(np.eye(len(components)) + weights @ components.T)
    x = g.op("Sub", x, a.numbers("mean_", shape=(width,)))
    return g.op("MatMul", g.op("MatMul", x, weights.T), covariance), len(components)


def nystroem(g, x, width, a):
    points = a.numbers("components_", shape=(None, width))
    weights = a.numbers("normalization_", shape=(len(points), len(points)))
    return g.op("MatMul", _kernel(g, x, points, width, a), weights.T), len(points)


def _kernel(g, x, points, width, a):
    """sklearn/metrics/pairwise.py: [N, K]. What the kernel does not use was not given."""
    kernel = a.get("kernel", "rbf")
    if kernel == "cosine":
        return g.op("MatMul", g.unit_rows(x, width), unit_rows(points).T)
    if kernel == "linear":
        return g.op("MatMul", x, points.T)
    if kernel not in ("rbf", "laplacian", "poly", "polynomial", "sigmoid"):
        raise Refused(f"a Nystroem with kernel={kernel!r}" if isinstance(kernel, str) else "a Nystroem with a kernel of its own")
    gamma = a.number("gamma", default=1 / width)
    if kernel == "rbf":
        return g.op("Exp", g.op("Mul", g.distances(x, points), -gamma))
    if kernel == "laplacian":
        return g.op("Exp", g.op("Mul", g.measured(x, points, "manhattan"), -gamma))
    shifted = g.op("Add", g.op("Mul", g.op("MatMul", x, points.T), gamma), a.number("coef0", default=1.0))
    return g.op("Tanh", shifted) if kernel == "sigmoid" else g.op("Pow", shifted, a.number("degree", default=3.0))


def unit_rows(points):
    """sklearn/preprocessing/_data.py, normalize: rows of no length stay what they are."""
    lengths = np.sqrt(np.einsum("ij,ij->i", points, points))
    return points / np.where(lengths < 10 * np.finfo(np.float64).eps, 1.0, lengths)[:, None]


def rbf_sampler(g, x, width, a):
    weights = a.numbers("random_weights_", shape=(width, None))
    count = weights.shape[1]
    x = g.op("Add", g.op("MatMul", x, weights), a.numbers("random_offset_", shape=(count,)))
    # Cos takes single precision only in onnxruntime.
    x = g.op("Sin", g.op("Add", x, math.pi / 2))
    return g.op("Mul", x, math.sqrt(2.0 / count)), count


PROJECTIONS = {
    "PCA": pca,
    "IncrementalPCA": pca,
    "TruncatedSVD": truncated_svd,
    "FastICA": fast_ica,
    "FactorAnalysis": factor_analysis,
    "Nystroem": nystroem,
    "RBFSampler": rbf_sampler,
}
