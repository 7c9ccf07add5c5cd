"""Reads skops files: a zip in which schema.json describes the objects and every array is a file of its own."""

import ast
import io
import json
import zipfile
import zlib

import numpy as np

from plain_objects import Array, DType, Refused
from safe_pickle import SHELLS, shell


def read_skops(data: bytes, most: int):
    """The object in the file; refused when it unpacks to more than `most` bytes, or is another kind of zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > most:
                raise Refused(f"a file that unpacks to more than {most} bytes")
            if "schema.json" not in archive.namelist():
                raise Refused(_zip_of(archive.namelist()))
            return _Reader(archive).read(json.loads(archive.read("schema.json")))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RecursionError, *DAMAGE) as error:
        raise Refused(f"a damaged skops file ({type(error).__name__}: {error})") from None


def _zip_of(names):
    """What another zip is: a network, arrays of NumPy, or a folder."""
    if any(name.endswith(("/data.pkl", "data.json", "model.weights.h5")) or name == "config.json" for name in names):
        return (
            "a zip file, such as torch.save or Keras writes; export the network to ONNX (torch.onnx.export with "
            "dynamic_shapes and external_data=False) and publish that: docs/models.md"
        )
    if names and all(name.endswith(".npy") for name in names):
        return "arrays of NumPy (np.savez), and no model; save the fitted model itself with joblib.dump"
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"a zip folder of {shown or 'nothing'}; unpack it, and give the folder"


DAMAGE = (KeyError, IndexError, TypeError, ValueError, AttributeError, SyntaxError)


class _Reader:
    """By the loaders that skops names (skops/io); an object that comes twice is named by its id."""

    def __init__(self, archive):
        self.archive, self.seen = archive, {}
        self.loaders = {
            "DictNode": lambda node: {name: self.read(value) for name, value in node["content"].items()},
            "ListNode": lambda node: [self.read(value) for value in node["content"]],
            "TupleNode": lambda node: tuple(self.read(value) for value in node["content"]),
            "JsonNode": lambda node: json.loads(node["content"]),
            "NdArrayNode": self._array,
            "ObjectNode": self._object,
            "TreeNode": self._object,
        }

    def read(self, node):
        loader, key = node["__loader__"], node.get("__id__")
        if loader == "CachedNode":
            return self.seen[key]
        found = self.loaders.get(loader, self._other)(node)
        self.seen[key] = found
        return found

    def _object(self, node):
        module, name = str(node["__module__"]), str(node["__class__"])
        if module.split(".")[0] not in SHELLS:
            raise Refused(f"{module}.{name}")
        made = shell(module, name)()
        made.__setstate__(self.read(node["content"]) if isinstance(node.get("content"), dict) else None)
        return made

    def _other(self, node):  # random states, types, functions: nothing that a score depends on
        return shell(str(node.get("__module__")), str(node.get("__class__")))()

    def _array(self, node):
        if node.get("type") == "numpy":
            return read_npy(self.archive.read(node["file"]))
        content = node["content"]
        values = self.read(content) if isinstance(content, dict) else [self.read(value) for value in content]
        return Array((len(values),), DType("O8"), list(values))


def read_npy(data: bytes) -> Array:
    """numpy/lib/format.py: magic, version, length of the header, the header as a literal, the bytes."""
    start = 10 if data[6] == 1 else 12
    end = start + int.from_bytes(data[8:start], "little")
    header = ast.literal_eval(data[start:end].decode("latin1"))
    return Array(tuple(header["shape"]), _dtype(header["descr"]), data[end:], bool(header["fortran_order"]))


def _dtype(descr):
    if isinstance(descr, str):
        dtype = DType(descr[1:])
        dtype.order = descr[0] if descr[0] == ">" else "<"
        return dtype
    known = np.dtype([tuple(field) for field in descr])
    dtype = DType(f"V{known.itemsize}")
    dtype.fields = {name: (_dtype(part.str), offset) for name, (part, offset, *_) in known.fields.items() if part.kind != "V"}
    dtype.size = known.itemsize
    return dtype
