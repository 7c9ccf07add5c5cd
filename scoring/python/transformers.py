"""Transformers of scikit-learn as operators, each in the order and with the meaning of its transform().

A transformer takes a graph, a value [N, width] and its attributes, and gives a value and its new width.
"""

import numpy as np

from attributes import Attributes, texts_in, to_numbers
from elementwise import ELEMENTWISE
from plain_objects import Array, Estimator, Refused
from projections import PROJECTIONS
from columns import COLUMNS
from ways import not_converted


def standard_scaler(g, x, width, a):
    a.numbers("scale_", "n_samples_seen_")  # only a fitted one has either
    if a.flag("with_mean", True):
        x = g.op("Sub", x, a.numbers("mean_", shape=(width,)))
    if a.flag("with_std", True):
        x = g.op("Div", x, a.numbers("scale_", shape=(width,)))
    return x, width


def min_max_scaler(g, x, width, a):
    x = g.op("Mul", x, a.numbers("scale_", shape=(width,)))
    x = g.op("Add", x, a.numbers("min_", shape=(width,)))
    if a.flag("clip", False):
        low, high = a.get("feature_range", (0, 1))
        x = g.op("Min", g.op("Max", x, float(low)), float(high))
    return x, width


def max_abs_scaler(g, x, width, a):
    x = g.op("Div", x, a.numbers("scale_", shape=(width,)))
    return (g.op("Min", g.op("Max", x, -1.0), 1.0) if a.flag("clip", False) else x), width


def robust_scaler(g, x, width, a):
    if a.flag("with_centering", True):
        x = g.op("Sub", x, a.numbers("center_", shape=(width,)))
    if a.flag("with_scaling", True):
        x = g.op("Div", x, a.numbers("scale_", shape=(width,)))
    return x, width


def power_transformer(g, x, width, a):
    lambdas = a.numbers("lambdas_", shape=(width,))
    method = a.get("method", "yeo-johnson")
    if method not in ("yeo-johnson", "box-cox"):
        raise Refused(f"a PowerTransformer with method={method!r}")
    columns = [(_box_cox if method == "box-cox" else _yeo_johnson)(g, g.column(x, at), lmbda) for at, lmbda in enumerate(lambdas)]
    x = g.op("Concat", *columns, axis=1)
    if not a.flag("standardize", True):
        return x, width
    return standard_scaler(g, x, width, Attributes(_estimator(a, "_scaler")))


def _yeo_johnson(g, x, lmbda):
    # Each branch sees only values of its own side, so that neither gives NaN for the other's.
    up = g.op("Add", g.op("Max", x, 0.0), 1.0)
    down = g.op("Add", g.op("Neg", g.op("Min", x, 0.0)), 1.0)
    eps = np.spacing(1.0)
    left = g.op("Log", up) if abs(lmbda) < eps else g.op("Div", g.op("Sub", g.op("Pow", up, lmbda), 1.0), lmbda)
    rest = 2 - lmbda
    right = g.op("Log", down) if abs(rest) < eps else g.op("Div", g.op("Sub", g.op("Pow", down, rest), 1.0), rest)
    return g.op("Where", g.op("GreaterOrEqual", x, 0.0), left, g.op("Neg", right))


def _box_cox(g, x, lmbda):
    if lmbda == 0:
        return g.op("Log", x)
    return g.op("Div", g.op("Sub", g.op("Pow", x, lmbda), 1.0), lmbda)


def quantile_transformer(g, x, width, a):
    quantiles = a.numbers("quantiles_", shape=(None, width))
    references = a.numbers("references_", shape=(len(quantiles),))
    if len(quantiles) < 2:
        raise Refused("a QuantileTransformer of one quantile")
    normal = a.get("output_distribution", "uniform") == "normal"
    columns = []
    for at in range(width):
        column = _uniform(g, g.column(x, at), quantiles[:, at], references, BOUNDS if normal else 0)
        columns.append(_normal_quantile(g, column) if normal else column)
    return g.op("Concat", *columns, axis=1), width


def _uniform(g, x, quantiles, references, margin):
    """sklearn/preprocessing/_data.py, _transform_col: the mean of interpolating from below and from above."""
    up = _interpolate(g, x, quantiles, references)
    down = _interpolate(g, g.op("Neg", x), -quantiles[::-1], -references[::-1])
    middle = g.op("Mul", g.op("Sub", up, down), 0.5)
    if margin == 0:
        over, under = g.op("Equal", x, quantiles[-1]), g.op("Equal", x, quantiles[0])
    else:
        over = g.op("Greater", g.op("Add", x, margin), quantiles[-1])
        under = g.op("Less", g.op("Sub", x, margin), quantiles[0])
    return g.op("Where", under, np.zeros((1, 1)), g.op("Where", over, np.ones((1, 1)), middle))


def _interpolate(g, x, points, values):
    """np.interp: among equal points the last one that is not above x."""
    below = g.op("Cast", g.op("LessOrEqual", points[None], x), to=11)
    count = g.op("MatMul", below, np.ones((len(points), 1)))
    at = g.op("Sub", g.op("Min", g.op("Max", count, 1.0), float(len(points) - 1)), 1.0)
    at = g.op("Cast", at, to=7)
    x = g.op("Min", g.op("Max", x, points[0]), points[-1])
    widths = np.diff(points)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.where(widths > 0, np.diff(values) / widths, 0.0)
    from_point, from_value, slope = (g.op("Gather", g.constant(table), at, axis=0) for table in (points[:-1], values[:-1], slopes))
    between = g.op("Add", g.op("Mul", slope, g.op("Sub", x, from_point)), from_value)
    return g.op("Where", g.op("GreaterOrEqual", x, points[-1]), np.full((1, 1), values[-1]), between)


# Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988): the normal quantile to 1e-16 relative.
CENTRAL = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)
TAIL = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)
FAR_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0),
)
BOUNDS = 1e-7  # sklearn/preprocessing/_data.py, BOUNDS_THRESHOLD


def _normal_quantile(g, p):
    """norm.ppf, clipped as QuantileTransformer does, by ppf(1e-7 - 2^-52) and ppf(1 - 1e-7 + 2^-52)."""
    low, high = BOUNDS - np.spacing(1.0), 1 - (BOUNDS - np.spacing(1.0))
    p = g.op("Min", g.op("Max", p, low), high)
    q = g.op("Sub", p, 0.5)
    r = g.op("Sub", 0.180625, g.square(g.op("Min", g.op("Max", q, -0.425), 0.425)))
    central = g.op("Mul", q, _ratio(g, r, CENTRAL))
    tail = g.op("Where", g.op("Less", q, 0.0), p, g.op("Sub", 1.0, p))
    tail = g.op("Sqrt", g.op("Neg", g.op("Log", tail)))
    near = _ratio(g, g.op("Sub", tail, 1.6), TAIL)
    far = _ratio(g, g.op("Sub", tail, 5.0), FAR_TAIL)
    outside = g.op("Mul", g.op("Where", g.op("LessOrEqual", tail, 5.0), near, far), g.op("Sign", q))
    return g.op("Where", g.op("LessOrEqual", g.op("Abs", q), 0.425), central, outside)


def _ratio(g, x, coefficients):
    sums = []
    for series in coefficients:
        sum_ = g.op("Add", g.op("Mul", x, series[0]), series[1])
        for value in series[2:]:
            sum_ = g.op("Add", g.op("Mul", sum_, x), value)
        sums.append(sum_)
    return g.op("Div", *sums)


def column_transformer(g, x, width, a):
    names, weights = texts_in(a.get("feature_names_in_")), a.get("transformer_weights") or {}
    parts, total = [], 0
    for name, step, columns in a.list("transformers_"):
        if step == "drop":
            continue
        at = _columns_of(columns, names, width)
        if not at:
            continue
        part, count = transform(g, g.columns(x, at), len(at), step)
        parts.append(_weighted(g, part, weights.get(name)))
        total += count
    if not parts:
        raise Refused("a ColumnTransformer that drops every column")
    return (parts[0] if len(parts) == 1 else g.op("Concat", *parts, axis=1)), total


def feature_union(g, x, width, a):
    """All of its transformers on all columns, side by side."""
    weights, parts, total = a.get("transformer_weights") or {}, [], 0
    for name, step in a.list("transformer_list"):
        if step is None or step == "drop":
            continue
        part, count = transform(g, x, width, step)
        parts.append(_weighted(g, part, weights.get(name)))
        total += count
    if not parts:
        raise Refused("a FeatureUnion of nothing")
    return (parts[0] if len(parts) == 1 else g.op("Concat", *parts, axis=1)), total


def _weighted(g, part, weight):
    return part if weight is None else g.op("Mul", part, float(to_numbers(weight, "a transformer whose weight", ())))


def _columns_of(columns, names, width):
    known = {name: at for at, name in enumerate(names or [])}
    if isinstance(columns, Estimator) and columns.kind == "_RemainderColsList":  # scikit-learn 1.5 and 1.6, a UserList
        columns = columns.attributes.get("data")
    if isinstance(columns, Estimator):
        said, columns = columns, texts_in(columns)
        if columns is None:
            raise Refused(f"a ColumnTransformer whose columns are a {said.path}; name them in a list, and fit it again")
    if isinstance(columns, Array):
        columns = columns.objects() or columns.raw().tolist()
    if isinstance(columns, slice):
        columns = _positions(columns, known)
    if isinstance(columns, slice) and all(v is None or isinstance(v, int) for v in (columns.start, columns.stop, columns.step)):
        return list(range(width))[columns]
    columns = columns if isinstance(columns, (list, tuple)) else [columns]
    if len(columns) == width and all(isinstance(c, bool) for c in columns):
        return [at for at, taken in enumerate(columns) if taken]
    found = [c % width if isinstance(c, int) and -width <= c < width else known.get(c) for c in columns if isinstance(c, (int, str))]
    if len(found) != len(columns) or None in found:
        raise Refused(f"a ColumnTransformer of the columns {columns!r}")
    return found


def _positions(names, known):
    """A slice of names as one of positions: unlike one of numbers it has its last column (sklearn.utils._indexing)."""
    start, stop = (known.get(name) if isinstance(name, str) else None for name in (names.start, names.stop))
    if isinstance(names.start, str) and start is None or isinstance(names.stop, str) and stop is None:
        return names
    return slice(
        names.start if start is None else start,
        names.stop if stop is None else stop + 1,
        names.step,
    )


def pipeline_steps(estimator):
    steps = estimator.attributes.get("steps")
    if not isinstance(steps, list) or not all(isinstance(s, (tuple, list)) and len(s) == 2 for s in steps):
        raise Refused("a Pipeline without steps")
    return [step for _, step in steps if not passes(step)]


def passes(step):
    return step is None or step == "passthrough" or (isinstance(step, Estimator) and step.kind in IDENTITIES and not step.attributes.get("func"))


def transform(g, x, width, step):
    """One transformer, or a Pipeline of them."""
    if passes(step):
        return x, width
    if isinstance(step, Estimator) and step.kind == "Pipeline":
        for inner in pipeline_steps(step):
            x, width = transform(g, x, width, inner)
        return x, width
    if not isinstance(step, Estimator) or step.kind not in TRANSFORMERS:
        raise Refused(not_converted(step) if isinstance(step, Estimator) else f"a {type(step).__name__} where a transformer is expected")
    return TRANSFORMERS[step.kind](g, x, width, Attributes(step))


def _estimator(a, name):
    found = a.get(name)
    if not isinstance(found, Estimator):
        raise Refused(f"a {a.kind} without {name}")
    return found


IDENTITIES = ("FunctionTransformer",)
TRANSFORMERS = {
    "StandardScaler": standard_scaler,
    "MinMaxScaler": min_max_scaler,
    "MaxAbsScaler": max_abs_scaler,
    "RobustScaler": robust_scaler,
    "PowerTransformer": power_transformer,
    "QuantileTransformer": quantile_transformer,
    "ColumnTransformer": column_transformer,
    "FeatureUnion": feature_union,
    **ELEMENTWISE,
    **PROJECTIONS,
    **COLUMNS,
}
