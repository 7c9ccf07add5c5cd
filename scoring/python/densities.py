"""Densities of scikit-learn as operators: what score_samples() gives, how large the model is, and a note.

What is an anomaly is for a threshold to say.
"""

import math

import numpy as np

from attributes import to_numbers
from neighbors import distances_to, metric_of
from plain_objects import Array, Estimator, Refused

LOG_2PI = math.log(2 * math.pi)


def gaussian_mixture(g, x, width, a):
    """sklearn/mixture/_gaussian_mixture.py, score_samples: log of the weighted sum of the densities."""
    means = a.numbers("means_", shape=(None, width))
    return _mixture(g, x, width, a, means, np.log(a.numbers("weights_", shape=(len(means),))))


def bayesian_mixture(g, x, width, a):
    """sklearn/mixture/_bayesian_mixture.py: expected logarithms of weights and precisions take the place of their logarithms."""
    means = a.numbers("means_", shape=(None, width))
    count = len(means)
    if a.get("weight_concentration_prior_type", "dirichlet_process") == "dirichlet_process":
        first, second = (to_numbers(part, "a weight_concentration_", (count,)) for part in a.get("weight_concentration_"))
        total, left = digamma(first + second), digamma(second)
        weights = digamma(first) - total + np.hstack((0, np.cumsum(left - total)[:-1]))
    else:
        concentration = a.numbers("weight_concentration_", shape=(count,))
        weights = digamma(concentration) - digamma(concentration.sum(keepdims=True))
    freedom, precision = a.numbers("degrees_of_freedom_"), a.numbers("mean_precision_", shape=(count,))
    expected = width * math.log(2.0) + np.sum(digamma(0.5 * (freedom - np.arange(width)[:, None])), 0)
    extra = 0.5 * (expected - width / precision) - 0.5 * width * np.log(freedom)
    return _mixture(g, x, width, a, means, weights + extra)


def _mixture(g, x, width, a, means, logs):
    kind, factors = a.get("covariance_type", "full"), a.numbers("precisions_cholesky_")
    parts = []
    for k, mean in enumerate(means):
        factor = {"full": lambda: factors[k], "tied": lambda: factors, "diag": lambda: np.diag(factors[k]), "spherical": lambda: np.eye(width) * factors[k]}[kind]()
        away = g.op("Sub", g.op("MatMul", x, factor), (mean @ factor)[None])
        square = g.numpy_sum(g.square(away), width)
        log_det = float(np.sum(np.log(np.diag(factor))))
        density = g.op("Mul", g.op("Add", square, width * math.log(2 * math.pi)), -0.5)
        parts.append(g.op("Add", density, log_det + logs[k]))
    return g.log_sum_exp(g.op("Concat", *parts, axis=1), len(parts)), len(means), ""


def digamma(values):
    """Logarithmic derivative of the gamma function of positive numbers, to 1e-15: Bernardo, Algorithm AS 103 (1976), with more terms."""
    x = np.array(values, np.float64)
    below = np.zeros_like(x)
    while (x < 16).any():
        small = x < 16
        below[small] += 1 / x[small]
        x[small] += 1
    square = 1 / (x * x)
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square * (1 / 132 - square * 691 / 32760)))))
    return np.log(x) - 0.5 / x - series - below


def kernel_density(g, x, width, a):
    """sklearn/neighbors/_kde.py, score_samples, the whole sum; and _binary_tree.pxi.tp for kernels and their norms."""
    kernel = a.get("kernel", "gaussian")
    if kernel not in NORMS:
        raise Refused(f"a KernelDensity with kernel={kernel!r}")
    points, weights = _rows(a, width)
    bandwidth = a.number("bandwidth_", "bandwidth")
    norm = NORMS[kernel](width) - width * math.log(bandwidth) - math.log(len(points) if weights is None else weights.sum())
    measured, root = distances_to(g, x, points, *metric_of(a))
    if kernel == "gaussian":
        squares = measured if metric_of(a)[0] == "euclidean" else g.square(root(measured))
        return g.op("Add", g.log_sum_exp(g.op("Mul", squares, -0.5 / (bandwidth * bandwidth)), len(points), weights), norm), len(points), _note(a)
    distances = root(measured)
    if kernel == "exponential":
        return g.op("Add", g.log_sum_exp(g.op("Div", g.op("Neg", distances), bandwidth), len(points), weights), norm), len(points), _note(a)
    near = g.op("Cast", g.op("Less", distances, bandwidth), to=11)
    heights = g.op("Mul", near, _height(g, kernel, g.op("Div", distances, bandwidth)))
    sum_ = g.op("MatMul", heights, np.ones((len(points), 1)) if weights is None else weights.reshape(-1, 1))
    # Where no training row is near, the density is 0: its logarithm stays a number, far below any threshold.
    return g.op("Add", g.op("Log", g.op("Max", sum_, np.finfo(np.float64).tiny)), norm), len(points), _note(a)


def _rows(a, width):
    """Training rows and their weights, out of the state of the tree."""
    tree = a.get("tree_")
    state = tree.state if isinstance(tree, Estimator) else None
    points = state[0].numpy() if isinstance(state, tuple) and state and isinstance(state[0], Array) else None
    if points is None or points.ndim != 2 or points.shape[1] != width:
        raise Refused("a KernelDensity without its training rows")
    weights = next((part.numpy() for part in state[1:] if isinstance(part, Array) and part.shape == (len(points),) and part.raw().dtype.kind == "f"), None)
    if weights is not None and not (np.isfinite(weights).all() and weights.sum() > 0):
        raise Refused("a KernelDensity whose sample_weight is not finite")
    return points, weights


def _note(a):
    tolerances = [f"{name}={a.number(name)}" for name in ("atol", "rtol") if a.number(name, default=0.0) != 0]
    return f"it was fitted with {' and '.join(tolerances)}: scikit-learn's densities may be off by as much, and these are not, so labels may differ" if tolerances else ""


def _height(g, kernel, share):
    """Of the kernel, at a share of the bandwidth; beyond it what comes out does not count."""
    if kernel == "tophat":
        return g.op("Add", g.op("Mul", share, 0.0), 1.0)
    if kernel == "epanechnikov":
        return g.op("Sub", 1.0, g.square(share))
    if kernel == "linear":
        return g.op("Sub", 1.0, share)
    # Cos takes single precision only in onnxruntime.
    return g.op("Sin", g.op("Mul", g.op("Sub", 1.0, share), 0.5 * math.pi))


def _log_ball(width):
    return 0.5 * width * math.log(math.pi) - math.lgamma(0.5 * width + 1)


def _log_sphere(width):
    return math.log(2 * math.pi) + _log_ball(width - 1)


def _cosine_norm(width):
    factor, term = 0.0, 2 / math.pi
    for k in range(1, width + 1, 2):
        factor += term
        term *= -(width - k) * (width - k - 1) * (2 / math.pi) ** 2
    return -(math.log(factor) + _log_sphere(width - 1))


NORMS = {
    "gaussian": lambda width: -0.5 * width * LOG_2PI,
    "tophat": lambda width: -_log_ball(width),
    "epanechnikov": lambda width: -(_log_ball(width) + math.log(2 / (width + 2))),
    "exponential": lambda width: -(_log_sphere(width - 1) + math.lgamma(width)),
    "linear": lambda width: -(_log_ball(width) - math.log(width + 1)),
    "cosine": _cosine_norm,
}
