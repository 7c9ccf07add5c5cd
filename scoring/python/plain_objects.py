"""What a model file is read into: plain data, whatever classes the file names.

An object becomes the name of its class and its attributes, an array its shape and bytes. Nothing here runs
code of a library or of the file, so scikit-learn, PyOD and joblib need not be installed.
"""

import numpy as np

NUMBERS = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1")


class Refused(Exception):
    """The file holds something that is not read. The text says what."""


class Plain:
    """What a file may build: data, whose state is stored and nothing else."""


class Estimator(Plain):
    """An object of a known library. `kind`: the name of its class, with the package for those of PyOD."""

    kind = ""
    path = ""  # module and class

    def __new__(cls, *args, **_):
        made = super().__new__(cls)
        made.args, made.attributes, made.state = args, {}, None
        return made

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, state):
        self.state = state
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], dict):
            state = state[0]  # with slots
        if isinstance(state, dict):
            self.attributes = state


class Mapping(dict, Plain):
    """A dict of a library, such as the Bunch of scikit-learn."""

    def __setstate__(self, state):
        pass


class DType(Plain):
    def __init__(self, code, *_):
        self.code, self.order, self.fields, self.size = code, "<", None, 0

    def __setstate__(self, state):
        self.order = state[1] if state[1] in ("<", ">") else "="
        self.fields, self.size = (state[4], state[5]) if len(state) > 5 else (None, 0)

    def bytes_each(self):
        """Of an array that is passed over, too: texts, times and complex numbers."""
        kind, digits = (self.code[:1], self.code[1:]) if isinstance(self.code, str) else ("", "")
        if kind not in ("U", "S", "M", "m", "c") or not digits.isdecimal():
            return self.numpy().itemsize
        return int(digits) * (4 if kind == "U" else 1)

    def numpy(self):
        if not isinstance(self.code, str):
            raise Refused("an array whose type is not a name")
        if self.code.startswith("V") and isinstance(self.fields, dict):
            names = list(self.fields)
            formats = [self.fields[name][0].numpy() for name in names]
            offsets = [self.fields[name][1] for name in names]
            return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": self.size})
        if self.code not in NUMBERS:
            raise Refused(f"an array of type {self.code!r} where numbers are expected")
        return np.dtype(self.order.replace("=", "<") + self.code)


class Array(Plain):
    def __init__(self, shape=(), dtype=None, data=b"", fortran=False):
        self.shape, self.dtype, self.data, self.fortran = shape, dtype, data, fortran

    def __setstate__(self, state):
        _, self.shape, self.dtype, self.fortran, self.data = state

    def raw(self):
        """The values as they are stored; refused when they are no numbers, or fewer than the shape says."""
        if isinstance(self.data, str):  # written by Python 2
            self.data = self.data.encode("latin1")
        if not isinstance(self.dtype, DType) or not isinstance(self.data, (bytes, bytearray)):
            raise Refused("an array of objects where numbers are expected")
        values = np.frombuffer(bytes(self.data), self.dtype.numpy())
        return values.reshape(self.shape, order="F" if self.fortran else "C")

    def numpy(self):
        """The numbers as doubles."""
        return self.raw().astype(np.float64)

    def objects(self):
        """The elements of an array of objects or texts, or None."""
        if isinstance(self.data, list):
            return self.data
        code = self.dtype.code if isinstance(self.dtype, DType) and isinstance(self.dtype.code, str) else ""
        if not code.startswith("U") or not code[1:].isdecimal() or not isinstance(self.data, (bytes, bytearray)):
            return None
        return np.frombuffer(bytes(self.data), (">" if self.dtype.order == ">" else "<") + code).tolist()
