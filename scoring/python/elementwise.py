"""Transformers of scikit-learn that look at every value by itself: imputers, and functions of NumPy."""

import math

import numpy as np

from attributes import Attributes, article
from functions import APPLIED, PARTIAL
from plain_objects import Array, Estimator, Refused


def simple_imputer(g, x, width, a):
    """Windows are always numbers: NaN never comes, but a number may stand for what is missing."""
    missing = a.get("missing_values", float("nan"))
    missing = float(missing.numpy()) if isinstance(missing, Array) and missing.shape == () else missing
    if not isinstance(missing, (int, float)):
        raise Refused(f"a SimpleImputer with missing_values={_shown(missing)}")
    values = _statistics(a, width)
    filled = x if math.isnan(missing) else g.op("Where", g.op("Equal", x, float(missing)), values[None], x)
    flags = _indicated(a, width)
    if not flags:
        return filled, width
    hits = g.op("Cast", g.op("Equal", g.columns(x, flags), float(missing)), to=11)
    return g.op("Concat", filled, hits, axis=1), width + len(flags)


def _statistics(a, width):
    value = a.get("statistics_")
    listed = value.objects() if isinstance(value, Array) else None  # of strategy="constant" objects
    values = [part.numpy() if isinstance(part, Array) else part for part in listed] if listed else value.numpy() if isinstance(value, Array) else None
    if values is None:
        raise Refused("a SimpleImputer that was never fitted")
    try:
        values = np.asarray(values, np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise Refused("a SimpleImputer that fills in what is no number") from None
    if values.shape != (width,):
        raise Refused(f"a SimpleImputer of {values.size} features after steps that make {width}")
    if np.isnan(values).any():
        raise Refused("a SimpleImputer that leaves out features which were empty in training")
    return values


def _indicated(a, width):
    """Columns that MissingIndicator adds a flag for: those where something was missing in training."""
    indicator = a.get("indicator_") if a.flag("add_indicator", False) else None
    if not isinstance(indicator, Estimator):
        return []
    columns = Attributes(indicator).numbers("features_").astype(int).reshape(-1).tolist()
    if any(not 0 <= at < width for at in columns):
        raise Refused("a SimpleImputer whose indicator is damaged")
    return columns


def other_imputer(g, x, width, a):
    """KNNImputer, IterativeImputer: they change nothing where nothing is missing."""
    missing = a.get("missing_values", float("nan"))
    initial = a.get("initial_imputer_")
    empty = (isinstance(initial, Estimator) and np.isnan(_statistics_of(initial)).any()) or _has_false(a.get("_valid_mask"))
    if empty or a.flag("add_indicator", False) or not (isinstance(missing, float) and math.isnan(missing)):
        raise Refused(f"{article(a.kind)} {a.kind} that adds indicators, takes a number for missing, or leaves out features which were empty in training")
    return x, width


def _statistics_of(imputer):
    value = imputer.attributes.get("statistics_")
    return value.numpy() if isinstance(value, Array) and value.objects() is None else np.zeros(1)


def _has_false(mask):
    return isinstance(mask, Array) and not mask.numpy().all()


def _shown(value):
    return getattr(value, "path", repr(value))


def function_transformer(g, x, width, a):
    """One of NumPy's functions that are known by name (safe_pickle.py); code of one's own is never run."""
    func = a.get("func")
    path = str(getattr(func, "path", func))
    name = func.kind if path == f"numpy.{getattr(func, 'kind', '')}" else None
    given = a.get("kw_args") or {}
    if name == "clip" and set(given) <= CLIP:
        return _clip(g, x, given), width
    if name not in APPLIED or given:
        raise Refused(
            f"a FunctionTransformer of {path}{' with kw_args' if given else ''}: of functions NumPy's {', '.join((*APPLIED, 'clip'))} are converted; "
            f"write any other as a step of scikit-learn's, or export to ONNX"
        )
    g.may_be_nan = g.may_be_nan or name in PARTIAL
    return APPLIED[name](g, x), width


CLIP = {"a_min", "a_max", "min", "max"}


def _clip(g, x, given):
    for names, operator in ((("a_min", "min"), "Max"), (("a_max", "max"), "Min")):
        limit = next((given[name] for name in names if given.get(name) is not None), None)
        limit = limit.numpy() if isinstance(limit, Array) else limit
        if limit is not None:
            x = g.op(operator, x, np.asarray(limit, np.float64))
    return x


ELEMENTWISE = {
    "SimpleImputer": simple_imputer,
    "KNNImputer": other_imputer,
    "IterativeImputer": other_imputer,
    "FunctionTransformer": function_transformer,
}
