"""Attributes of an estimator as numbers: what predict() uses, with its shape checked and every value finite."""

import numpy as np

from plain_objects import Array, Estimator, Refused


def article(kind):
    return "an" if kind[:1] in "EI" else "a"


class Attributes:
    def __init__(self, estimator):
        self.kind, self.values = estimator.kind, estimator.attributes

    def get(self, name, default=None):
        """Plain values: text, bool, None, or an Array. Scalars of NumPy come as they are."""
        value = self.values.get(name, default)
        return default if value is None else value

    def flag(self, name, default):
        value = self.get(name, default)
        return bool(value.numpy()) if isinstance(value, Array) else bool(value)

    def has(self, name):
        return self.values.get(name) is not None

    def numbers(self, *names, shape=None):
        """The first of these attributes that is there, as doubles. `shape`: None for what is free."""
        name = next((name for name in names if self.has(name)), None)
        if name is None:
            fitted = any(key.endswith("_") and not key.startswith("_") for key in self.values)
            raise Refused(f"{article(self.kind)} {self.kind} without {names[0]}" if fitted else f"{article(self.kind)} {self.kind} that was never fitted")
        return to_numbers(self.values[name], f"{article(self.kind)} {self.kind} whose {name}", shape)

    def number(self, *names, default=None):
        if default is not None and not any(self.has(name) for name in names):
            return default
        values = self.numbers(*names)
        if values.size != 1:
            raise Refused(f"{article(self.kind)} {self.kind} whose {names[0]} has {values.size} values instead of 1")
        return float(values.reshape(-1)[0])

    def list(self, name):
        value = self.get(name)
        if isinstance(value, Array):
            value = value.objects()
        if not isinstance(value, list):
            raise Refused(f"{article(self.kind)} {self.kind} without {name}")
        return value


def to_numbers(value, what, shape=None):
    if isinstance(value, Array):
        values = value.numpy()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        values = np.float64(value)
    else:
        raise Refused(f"{what} is {f'the text {value!r}' if isinstance(value, str) else f'a {type(value).__name__}'}, and no number")
    if shape is not None and (len(shape) != values.ndim or any(s not in (None, v) for s, v in zip(shape, values.shape))):
        raise Refused(f"{what} has the shape {values.shape} instead of {shape}")
    if not np.isfinite(values).all():
        raise Refused(f"{what} is not finite")
    return np.asarray(values)


def texts_in(value):
    """Names of columns in a list, an array, or an Index of pandas; None when it is none of these."""
    if isinstance(value, Estimator):
        if value.kind == "_new_Index" and len(value.args) == 2 and isinstance(value.args[1], dict):
            return texts_in(value.args[1].get("data"))
        state = value.state if isinstance(value.state, tuple) else ()  # an array of texts of pandas 3
        return next((texts for texts in map(texts_in, state) if texts), None)
    value = value.objects() if isinstance(value, Array) else value
    texts = isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(text, str) for text in value)
    return list(value) if texts else None
