"""From the bytes of a model file to plain data, whatever wrote it: pickle, joblib, their compressed forms, skops.

What a file unpacks to is bounded, so that a small file cannot fill the memory.
"""

import bz2
import lzma
import zlib

from plain_objects import Refused
from safe_pickle import MAX_BYTES, load
from skops_file import read_skops

MAX_UNPACKED = 4 * MAX_BYTES
STEP = 1024 * 1024
UNPACKERS = (
    (b"\x1f\x8b", "gzip", lambda: zlib.decompressobj(zlib.MAX_WBITS | 16)),
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
    (b"\xfd7zXZ", "xz", lzma.LZMADecompressor),
    (b"]\x00\x00", "lzma", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE)),
    *((head, "zlib", zlib.decompressobj) for head in (b"x\x01", b"x^", b"x\x9c", b"x\xda")),
)
FOREIGN = (
    (b"\x04\x22\x4d\x18", "a file compressed with lz4; save it with joblib.dump(model, file, compress=3)"),
    (b"ZF", "a file of joblib before 0.10; load it and save it again with a newer joblib, or with pickle.dump"),
    (b"\x28\xb5\x2f\xfd", "a file compressed with zstandard; save it with joblib.dump(model, file, compress=3)"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the model itself; fetch the models with git lfs pull"),
    (b"\x08", "an ONNX file already; publish it as it is: fleetscore models publish"),
    (b"tree\nversion=", "a model of LightGBM in its text form; convert it with onnxmltools and publish the ONNX file: docs/models.md"),
    (b'{"learner"', "a model of XGBoost in its JSON form; convert it with onnxmltools and publish the ONNX file: docs/models.md"),
    (b"\x89HDF", "an HDF5 file, such as Keras writes; export the network to ONNX with tf2onnx and publish that: docs/models.md"),
)


def read_model_file(data: bytes):
    """The object in the file: an Estimator, an Array or plain Python data. Raises Refused."""
    for head, why in FOREIGN:
        if data.startswith(head):
            raise Refused(why)
    if data.startswith(b"PK\x03\x04"):
        return read_skops(data, MAX_UNPACKED)
    for head, name, unpacker in UNPACKERS:
        if data.startswith(head):
            return load(_unpack(data, name, unpacker()))
    return load(data)


def _unpack(data, name, unpacker):
    parts, size, rest = [], 0, data
    try:
        while not unpacker.eof:
            part = unpacker.decompress(rest, STEP)
            rest = unpacker.unconsumed_tail if hasattr(unpacker, "unconsumed_tail") else b""
            if not part and not rest:
                raise Refused(f"a damaged file: its {name} stream ends early")
            size += len(part)
            if size > MAX_UNPACKED:
                raise Refused(f"a file that unpacks to more than {MAX_UNPACKED} bytes")
            parts.append(part)
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise Refused(f"a damaged file ({name}: {error})") from None
    return b"".join(parts)
