"""Which models a file holds: one (alone, or in parts in a tuple or dict), or one for each sensor in a dict.

Parts and sensors are told apart by what the values are, never by guessing at names alone.
"""

from build import Steps, is_model, is_transformer, name_of
from plain_objects import Array, Estimator, Refused

PARTS = ("model", "clf", "classifier", "detector", "estimator", "svm", "ocsvm", "pipeline", "pipe", "iforest", "forest", "isolation_forest", "lof", "gmm", "kde", "outlier_detector", "anomaly_detector")
THRESHOLDS = ("threshold", "thresh", "threshold_", "cutoff")
# Times and tables that people keep beside a model; a step of a library that is not known is never passed over.
BESIDE = ("pandas.", "datetime.")
FEATURES = ("features", "feature_names", "columns", "feature_cols", "feature_columns")


def models_in(found):
    """(None, Steps) for a file of one model, else ((device, sensor) or text, Steps) of each. Raises Refused."""
    single = _single(found)
    if single is not None:
        return [(None, single)]
    if isinstance(found, dict):
        fleet = list(_by_sensor(found))
        if fleet:
            return fleet
    raise Refused(name_of(found) + _contents(found))


def _single(found):
    if is_model(found):
        return Steps((found,))
    if isinstance(found, (tuple, list)):
        return _of_parts(list(found), None, None) if found else None
    if isinstance(found, dict) and _has_part_names(found):
        lower = {str(key).lower(): value for key, value in found.items()}
        threshold = next((lower[name] for name in THRESHOLDS if name in lower), None)
        features = next((lower[name] for name in FEATURES if name in lower), None)
        return _of_parts([value for value in found.values() if isinstance(value, Estimator) and not value.path.startswith(BESIDE)], threshold, features)
    return None


def _has_part_names(found):
    """A dict of parts has transformers, a threshold, or a detector under a name of its trade."""
    names = {str(key).lower() for key in found}
    values = [value for value in found.values() if isinstance(value, Estimator)]
    detectors = [value for value in values if is_model(value)]
    return len(detectors) == 1 and (any(map(is_transformer, values)) or bool(names & {*PARTS, *THRESHOLDS}))


def _of_parts(parts, threshold, features):
    """Transformers in their order, and one detector; numbers beside them are a threshold. None when it is not that."""
    detectors = [part for part in parts if is_model(part)]
    transformers = [part for part in parts if is_transformer(part)]
    numbers = [part for part in parts if _is_number(part)]
    if len(detectors) != 1 or len(transformers) + len(numbers) + 1 != len(parts) or len(numbers) > 1:
        return None
    # In a tuple or dict the scaler may come second: it is applied first in any case.
    return Steps((*transformers, *detectors), threshold, features, (numbers or [None])[0])


def _is_number(value):
    return (isinstance(value, (int, float)) and not isinstance(value, bool)) or (isinstance(value, Array) and value.shape == ())


def _by_sensor(found):
    for key, value in found.items():
        single = _single(value)
        if single is not None:
            yield _sensor(key), single
        elif isinstance(value, dict) and value:
            for inner, model in value.items():
                single = _single(model)
                if single is None:
                    raise Refused(f"a dict whose entry {key!r}, {inner!r} is {name_of(model)}")
                yield (str(key), str(inner)), single
        else:
            raise Refused(f"a dict whose entry {key!r} is {name_of(value)}")


def _sensor(key):
    """("pump-1", "temp"), "pump-1/temp", "pump-1|temp" or "pump-1_temp"; else the key itself, for a manifest to name."""
    if isinstance(key, tuple) and len(key) == 2:
        return tuple(map(str, key))
    for mark in ("/", "|", ":", "_"):
        parts = str(key).split(mark)
        if len(parts) == 2 and all(parts):
            return tuple(parts)
    return str(key)


def _contents(found):
    if isinstance(found, dict):
        return " of " + (", ".join(f"{key!r}: {name_of(value)}" for key, value in list(found.items())[:4]) or "nothing")
    if isinstance(found, (tuple, list)):
        return " of " + (", ".join(name_of(value) for value in found[:4]) or "nothing")
    return ""
