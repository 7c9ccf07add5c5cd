"""Reads pickles and joblib files of scikit-learn and PyOD models without running anything that is in them.

A pickle is a program. This reader knows a handful of names and gives back plain data for them
(plain_objects.py); classes of a few libraries become empty shells with attributes. Every other name ends the
reading, so neither a library's code nor an attacker's ever runs.
"""

import io
import pickle
import struct

from functions import APPLIED
from plain_objects import Array, DType, Estimator, Mapping, Plain, Refused
from ways import named

ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
BUFFER_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
UFUNC_MODULES = ("numpy", "numpy.core._multiarray_umath", "numpy._core._multiarray_umath")
# Functions that a FunctionTransformer may apply (transformers.py): known by their names, never called.
FUNCTIONS = (*APPLIED, "clip")
UFUNC_BY_NAME = ("numpy.core", "numpy._core")
JOBLIB_MODULES = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")
# Libraries whose classes and functions become shells: objects of these occur in models, or beside them.
SHELLS = ("sklearn", "pyod", "scipy", "pandas", "datetime", "numpy")


# A model of ten thousand support vectors takes a few hundred: its numbers are the bytes of arrays. A file of many
# models takes more, and has more bytes: one instruction for this many of them.
MAX_OPCODES = 200_000
BYTES_PER_OPCODE = 5
# Of a file; its parts are no larger.
MAX_BYTES = 64 * 1024 * 1024


class ArrayInStream(Estimator):
    """joblib's NumpyArrayWrapper: the bytes of the array follow it in the stream."""

    kind = "NumpyArrayWrapper"


def load(data: bytes):
    """The object in a pickle or joblib file: an Estimator, an Array or plain Python data. Raises Refused."""
    if not data:
        raise Refused("not a pickle, or a damaged one: the file is empty")
    try:
        return _all_in(io.BytesIO(data), max(MAX_OPCODES, len(data) // BYTES_PER_OPCODE))
    except (Refused, MemoryError):
        raise
    except RecursionError:
        raise Refused("objects nested too deep") from None
    except Exception as error:  # whatever broken bytes lead to
        raise Refused(f"not a pickle, or a damaged one ({type(error).__name__}: {str(error)[:120]})") from None


def _all_in(source, opcodes):
    """The object of a file, or a tuple of them where pickle.dump was called several times on it."""
    found = []
    while not found or source.getvalue()[source.tell():].strip(b"\0\r\n\t "):
        reader = _Reader(source, opcodes)
        try:
            found.append(reader.load())
        except Refused:
            raise
        except Exception as error:
            if not found:
                raise
            raise Refused(f"a pickle with something behind it that is no pickle ({type(error).__name__}: {str(error)[:80]})") from None
        opcodes = reader.dispatch.left
    return found[0] if len(found) == 1 else tuple(found)


def shell(module: str, name: str):
    """An empty class with this name; `kind` leaves out where a version of scikit-learn keeps it."""
    package = "PyOD " if module.startswith("pyod.") else ""
    return type(name, (Estimator,), {"kind": package + name, "path": f"{module}.{name}"})


def _bytearray8(reader):
    # Elsewhere as much memory is taken as the file says, before a byte of it is read.
    (size,) = struct.unpack("<Q", reader.read(8))
    data = reader.read(min(size, MAX_BYTES + 1))
    if len(data) != size:
        raise Refused(f"a bytearray of {size} bytes, of which {len(data)} are there")
    reader.append(bytearray(data))


class _Counted(dict):
    """Opcodes by number; each that is looked up counts."""

    def __init__(self, opcodes, most):
        super().__init__(opcodes)
        self.most = self.left = most

    def __getitem__(self, opcode):
        self.left -= 1
        if self.left < 0:
            raise Refused(f"more than {self.most} instructions, and a model has far fewer")
        return super().__getitem__(opcode)


def _build(reader):
    # Elsewhere BUILD sets attributes of whatever lies on the stack, functions and classes included.
    if not isinstance(reader.stack[-2], Plain):
        raise Refused(f"a state for a {type(reader.stack[-2]).__name__}")
    pickle._Unpickler.load_build(reader)
    if isinstance(reader.stack[-1], ArrayInStream):
        reader.stack[-1] = _array_in_stream(reader.stack[-1].attributes, reader)


def _array_in_stream(wrapper, reader):
    """joblib/numpy_pickle.py, NumpyArrayWrapper.read_array: padding where it says so, then the bytes."""
    dtype, shape = wrapper.get("dtype"), wrapper.get("shape")
    if not isinstance(dtype, DType) or not isinstance(shape, tuple):
        raise Refused("an array of joblib without type or shape")
    source = reader.source
    if isinstance(dtype.code, str) and dtype.code.startswith("O"):
        inner = _Reader(source, reader.dispatch.left)
        array = inner.load()
        reader.dispatch.left = inner.dispatch.left
        return array
    if wrapper.get("numpy_array_alignment_bytes") is not None:
        source.read(source.read(1)[0])
    size = dtype.bytes_each()
    for length in shape:
        size *= length
    data = source.read(min(max(0, size), 4 * MAX_BYTES))
    if len(data) != size:
        raise Refused(f"a damaged joblib file: an array of {size} bytes ends after {len(data)}")
    return Array(shape, dtype, data, wrapper.get("order") == "F")


def _function(module, name):
    if not isinstance(name, str) or not name.isidentifier():
        raise Refused("a function of NumPy without a name")
    return shell("numpy", name)


def _no_arguments(kind, *_):
    return kind()


class _Reader(pickle._Unpickler):
    # The reader in Python, not the one in C: that one can be made to ask for all memory by one opcode.
    dispatch = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: _build, pickle.BYTEARRAY8[0]: _bytearray8}

    def __init__(self, source, opcodes):
        super().__init__(source, encoding="latin1")
        self.source, self.shells = source, {}
        self.dispatch = _Counted(type(self).dispatch, opcodes)

    def find_class(self, module, name):
        known = _known(module, name)
        if known is not None:
            return known
        if module.split(".")[0] not in SHELLS or not name.isidentifier():
            raise Refused(named(f"{module}.{name}"))
        if (module, name) not in self.shells:
            self.shells[module, name] = shell(module, name)
        return self.shells[module, name]


def _known(module, name):
    """What stands for a name that is not a class of a library; None when it is none of these."""
    builtin = module in ("builtins", "__builtin__")
    if module in ARRAY_MODULES and name == "_reconstruct":
        return lambda kind, shape, code: Array()
    if module in ARRAY_MODULES and name == "scalar":
        return lambda dtype, data=b"": Array((), dtype, data)
    if module in BUFFER_MODULES and name == "_frombuffer":
        return lambda data, dtype, shape, order: Array(shape, dtype, data, order == "F")
    if module == "numpy" and name in ("ndarray", "dtype"):
        return Array if name == "ndarray" else DType
    if module in JOBLIB_MODULES and name == "NumpyArrayWrapper":
        return ArrayInStream
    if (module, name) == ("_codecs", "encode"):  # bytes in protocols 0 to 2
        return lambda text, encoding: text.encode("latin1")
    if builtin and name == "bytes":  # empty ones in protocols 0 to 2
        return lambda: b""
    if builtin and name in ("object", "set", "frozenset", "slice", "complex", "list", "dict"):
        return {"object": object, "set": set, "frozenset": frozenset, "slice": slice, "complex": complex, "list": list, "dict": dict}[name]
    if module in UFUNC_MODULES and name in FUNCTIONS:
        return shell("numpy", name)
    if module in UFUNC_BY_NAME and name == "_ufunc_reconstruct":  # functions of NumPy before 1.20
        return _function
    if module.startswith("sklearn.utils") and name == "Bunch":
        return Mapping
    if module == "collections" and name == "OrderedDict":
        return dict
    if module == "collections" and name == "defaultdict":
        return lambda factory=None, *_: {}
    if module in ("copyreg", "copy_reg") and name == "_reconstructor":  # objects in protocols 0 and 1
        return _no_arguments
    if module.startswith("sklearn.neighbors.") and name == "newObj":  # trees of neighbours
        return _no_arguments
    return None
