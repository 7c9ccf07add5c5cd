"""Reads pickles of scikit-learn models without running anything that is in them.

A pickle is a program. This reader knows a handful of names and gives back plain data for them: an object
becomes its class name and its attributes, an array its shape and bytes. Every other name ends the reading,
so neither scikit-learn's code nor an attacker's ever runs, and scikit-learn need not be installed.
"""

import io
import pickle
import struct

import numpy as np

ESTIMATORS = {
    ("sklearn.pipeline", "Pipeline"): "Pipeline",
    ("sklearn.preprocessing.data", "StandardScaler"): "StandardScaler",  # before scikit-learn 0.22
    ("sklearn.preprocessing._data", "StandardScaler"): "StandardScaler",
    ("sklearn.svm.classes", "OneClassSVM"): "OneClassSVM",  # before scikit-learn 0.22
    ("sklearn.svm._classes", "OneClassSVM"): "OneClassSVM",
}
ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
BUFFER_MODULES = ("numpy.core.numeric", "numpy._core.numeric")


# A model of ten thousand support vectors takes a few hundred: its numbers are the bytes of arrays.
MAX_OPCODES = 200_000
# Of a file; its parts are no larger.
MAX_BYTES = 64 * 1024 * 1024


class Refused(Exception):
    """The file holds something that is not read. The text says what."""


class Plain:
    """What a pickle may build: data, whose state is stored and nothing else."""


class Estimator(Plain):
    kind = ""  # Pipeline, StandardScaler or OneClassSVM

    def __init__(self):
        self.attributes = {}

    def __setstate__(self, state):
        if not isinstance(state, dict):
            raise Refused(f"the state of its {self.kind} is a {type(state).__name__}, not a dict")
        self.attributes = state


class DType(Plain):
    def __init__(self, code, *_):
        self.code, self.order = code, "<"

    def __setstate__(self, state):
        self.order = state[1] if state[1] in ("<", ">") else "="

    def numpy(self):
        if not isinstance(self.code, str):
            raise Refused("an array whose type is not a name")
        if self.code not in ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1"):
            raise Refused(f"an array of type {self.code!r} where numbers are expected")
        return np.dtype(self.order.replace("=", "<") + self.code)


class Array(Plain):
    def __init__(self, shape=(), dtype=None, data=b"", fortran=False):
        self.shape, self.dtype, self.data, self.fortran = shape, dtype, data, fortran

    def __setstate__(self, state):
        _, self.shape, self.dtype, self.fortran, self.data = state

    def numpy(self):
        """The numbers as doubles; refused when they are something else, or fewer than the shape says."""
        if isinstance(self.data, str):  # written by Python 2
            self.data = self.data.encode("latin1")
        if not isinstance(self.dtype, DType) or not isinstance(self.data, (bytes, bytearray)):
            raise Refused("an array of objects where numbers are expected")
        values = np.frombuffer(bytes(self.data), self.dtype.numpy())
        return values.reshape(self.shape, order="F" if self.fortran else "C").astype(np.float64)


def load(data: bytes):
    """The object in a pickle: an Estimator, an Array or plain Python data. Raises Refused."""
    try:
        return _Reader(io.BytesIO(data), encoding="latin1").load()
    except (Refused, MemoryError):
        raise
    except Exception as error:  # whatever broken bytes lead to
        raise Refused(f"not a pickle, or a damaged one ({type(error).__name__}: {error})") from None


def _build(reader):
    # Elsewhere BUILD sets attributes of whatever lies on the stack, functions and classes included.
    if not isinstance(reader.stack[-2], Plain):
        raise Refused(f"a state for a {type(reader.stack[-2]).__name__}")
    pickle._Unpickler.load_build(reader)


def _bytearray8(reader):
    # Elsewhere as much memory is taken as the file says, before a byte of it is read.
    (size,) = struct.unpack("<Q", reader.read(8))
    data = reader.read(min(size, MAX_BYTES + 1))
    if len(data) != size:
        raise Refused(f"a bytearray of {size} bytes, of which {len(data)} are there")
    reader.append(bytearray(data))


class _Counted(dict):
    """Opcodes by number; each that is looked up counts."""

    left = MAX_OPCODES

    def __getitem__(self, opcode):
        self.left -= 1
        if self.left < 0:
            raise Refused(f"more than {MAX_OPCODES} instructions, and a model has far fewer")
        return super().__getitem__(opcode)


class _Reader(pickle._Unpickler):
    # The reader in Python, not the one in C: that one can be made to ask for all memory by one opcode.
    dispatch = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: _build, pickle.BYTEARRAY8[0]: _bytearray8}

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.dispatch = _Counted(type(self).dispatch)

    def find_class(self, module, name):
        if (module, name) in ESTIMATORS:
            return type(name, (Estimator,), {"kind": ESTIMATORS[module, name]})
        if module in ARRAY_MODULES and name == "_reconstruct":
            return lambda kind, shape, code: Array()
        if module in ARRAY_MODULES and name == "scalar":
            return lambda dtype, data=b"": Array((), dtype, data)
        if module in BUFFER_MODULES and name == "_frombuffer":
            return lambda data, dtype, shape, order: Array(shape, dtype, data, order == "F")
        if (module, name) == ("numpy", "ndarray"):
            return Array
        if (module, name) == ("numpy", "dtype"):
            return DType
        if (module, name) == ("_codecs", "encode"):  # bytes in protocols 0 to 2
            return lambda text, encoding: text.encode("latin1")
        if module in ("builtins", "__builtin__") and name == "bytes":  # empty ones in protocols 0 to 2
            return lambda: b""
        if module in ("copyreg", "copy_reg") and name == "_reconstructor":  # objects in protocols 0 and 1
            return lambda kind, base, state: kind()
        if module in ("builtins", "__builtin__") and name == "object":
            return object
        raise Refused(f"{module}.{name}")
