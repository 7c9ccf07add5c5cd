"""Which models a file holds: one (alone, or in parts in a tuple or dict), or one for each sensor in a dict.

Parts and sensors are told apart by what the values are, never by guessing at names alone.
"""

import re
from itertools import permutations

from attributes import Attributes, texts_in
from build import Steps, is_model, is_transformer, name_of, width_of
from plain_objects import Array, Estimator, Refused

PARTS = ("model", "clf", "classifier", "detector", "estimator", "svm", "ocsvm", "pipeline", "pipe", "iforest", "forest", "isolation_forest", "lof", "gmm", "kde", "outlier_detector", "anomaly_detector")
THRESHOLD = re.compile(r"thresh|cut_?off")
# Times and tables that people keep beside a model; a step of a library that is not known is never passed over.
BESIDE = ("pandas.", "datetime.", "numpy.")
FEATURES = ("features", "feature_names", "columns", "feature_cols", "feature_columns")
# Numbers that rows may have been scaled by, before the model was fitted.
SCALING = re.compile(r"(^|_)(mean|means|mu|std|stds|stdev|sigma|scale|center|centre|min|mins|max|maxs|median|iqr)(_|$)")


def models_in(found):
    """(None, Steps) for a file of one model, else (key, Steps) of each: (device, sensor), or a text. Raises Refused."""
    single = _single(found)
    if single is not None:
        return [(None, single)]
    if isinstance(found, dict):
        fleet = list(_by_sensor(found))
        if fleet:
            return fleet
    raise Refused(name_of(found) + _contents(found))


def sensor_of_key(key):
    """("pump-1", "temp") of that tuple, "pump-1/temp", "pump-1|temp", "pump-1:temp" or "pump-1_temp"; else None."""
    if isinstance(key, tuple) and len(key) == 2:
        return tuple(map(str, key))
    for mark in ("/", "|", ":", "_"):
        parts = str(key).split(mark)
        if len(parts) == 2 and all(parts):
            return tuple(parts)
    return None


def is_part_name(key):
    return isinstance(key, str) and key.lower() in PARTS


def _single(found):
    if is_model(found):
        return Steps((found,))
    if isinstance(found, (tuple, list)):
        return _of_parts(list(found)) if found else None
    if isinstance(found, dict) and _has_part_names(found):
        lower = {str(key).lower(): value for key, value in found.items()}
        parts = [value for value in found.values() if isinstance(value, Estimator) and not value.path.startswith(BESIDE)]
        features = next((lower[name] for name in FEATURES if name in lower), None)
        return _of_parts(parts, _threshold(found), features, tuple(_scaling(found)))
    return None


def _threshold(found):
    names = [key for key, value in found.items() if THRESHOLD.search(str(key).lower()) and value is not None and not isinstance(value, (bool, dict))]
    if len(names) > 1:
        raise Refused(f"a dict with {len(names)} thresholds ({', '.join(map(repr, names))}): keep the one that decides")
    return found[names[0]] if names else None


def _scaling(found):
    for key, value in found.items():
        numbers = _is_number(value) or (isinstance(value, Array) and value.objects() is None) or (isinstance(value, (list, tuple)) and value and all(map(_is_number, value)))
        if numbers and SCALING.search(str(key).lower()):
            yield key


def _has_part_names(found):
    """A dict of parts has transformers, a threshold, or a detector under a name of its trade."""
    names = [str(key).lower() for key in found]
    values = [value for value in found.values() if isinstance(value, Estimator)]
    detectors = [value for value in values if is_model(value)]
    return len(detectors) == 1 and (any(map(is_transformer, values)) or any(name in PARTS or THRESHOLD.search(name) for name in names))


def _of_parts(parts, threshold=None, features=None, applied=()):
    """Transformers and one detector; a number beside them is a threshold, texts are features. None when it is not that."""
    detectors = [part for part in parts if is_model(part)]
    transformers = [part for part in parts if is_transformer(part)]
    numbers = [part for part in parts if _is_number(part)]
    texts = [texts for texts in map(texts_in, parts) if texts is not None]
    said = [part for part in parts if part is None or isinstance(part, str) or _holds_no_step(part)]
    if len(detectors) != 1 or len(transformers) + len(numbers) + len(texts) + len(said) + 1 != len(parts) or len(numbers) > 1 or len(texts) > 1:
        return None
    steps = (*_in_order(transformers, detectors[0], parts[-1:] == detectors), *detectors)
    return Steps(steps, threshold, features or (texts or [None])[0], (numbers or [None])[0], applied)


def _holds_no_step(part):
    """A dict of what people note beside a model."""
    return isinstance(part, dict) and not any(isinstance(value, (Estimator, dict, list, tuple)) for value in part.values())


def _in_order(transformers, detector, is_last):
    """As they are applied. One scaler may come after its model; of several the order is known by what fits, or by the model being last."""
    if len(transformers) < 2:
        return transformers
    orders = [list(order) for order in permutations(transformers[:5]) if _fit(order, detector)] if len(transformers) < 6 else []
    if is_last and (transformers in orders or not orders):
        return transformers
    if len(orders) == 1:
        return orders[0]
    names = ", ".join(part.kind for part in transformers)
    raise Refused(f"{len(transformers)} transformers ({names}) and a model that do not say in which order they are applied: save them in that order with the model last, or as a Pipeline")


def _fit(order, detector):
    """Whether each takes as many features as the one before it makes."""
    known = [(width_of([step]), _made_by(step)) for step in (*order, detector)]
    return all(made in (None, takes) for (_, made), (takes, _) in zip(known, known[1:]))


def _made_by(step):
    """Features that a transformer makes; None where that is not seen."""
    if "components_" in step.attributes and step.kind != "RBFSampler":
        return Attributes(step).numbers("components_", shape=(None, None)).shape[0]
    return width_of([step]) if step.kind.endswith("Scaler") or step.kind in ("PowerTransformer", "QuantileTransformer", "Normalizer") else None


def _is_number(value):
    return (isinstance(value, (int, float)) and not isinstance(value, bool)) or (isinstance(value, Array) and value.shape == ())


def _by_sensor(found):
    for key, value in found.items():
        single = _single(value)
        if single is not None:
            yield (key if isinstance(key, tuple) else str(key)), single
        elif isinstance(value, dict) and value:
            for inner, model in value.items():
                single = _single(model)
                if single is None:
                    raise Refused(f"a dict whose entry {key!r}, {inner!r} is {name_of(model)}")
                yield (str(key), str(inner)), single
        else:
            raise Refused(f"a dict whose entry {key!r} is {name_of(value)}")


def _contents(found):
    if isinstance(found, dict):
        return " of " + (", ".join(f"{key!r}: {name_of(value)}" for key, value in list(found.items())[:4]) or "nothing")
    if isinstance(found, (tuple, list)):
        return " of " + (", ".join(name_of(value) for value in found[:4]) or "nothing")
    return ""
