"""Converts scikit-learn pickles to ONNX, without scikit-learn and without running code of the pickles.

    python convert.py DIR OUT

Reads the files `model_<device>_<sensor>` (also with .pkl or .pickle) of DIR and writes
`model_<device>_<sensor>.onnx` to OUT. One bad file never stops the others. On standard output one JSON
object a line: {"file", "ok": true, "output", "sha256", "bytes", "support_vectors", "features"} or {"file",
"ok": false, "error"} or {"ignored"}; the last is {"done": true, ...}. The same file gives the same bytes.
Exit code: 0 all converted, 1 some refused, 2 wrong use, 3 packages missing.
"""

import hashlib
import json
import os
import re
import sys

from child import Ended, in_child

try:
    from onnx_model import build_model
    from safe_pickle import MAX_BYTES, Refused, load
    from sklearn_model import parameters_of
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(3)

EXPECTED = "expected a pickled scikit-learn Pipeline of StandardScaler and OneClassSVM(kernel='rbf'), or such a OneClassSVM alone"
JOBLIB = "files of joblib.dump are not read; load it with joblib.load and save the model with pickle.dump"
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"x\x01": "zlib", b"x^": "zlib", b"x\x9c": "zlib", b"x\xda": "zlib"}


def main(source, target):
    os.makedirs(target, exist_ok=True)
    files, ignored, outputs = [], [], {}
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not entry.name.startswith("model_") or entry.name.endswith(".onnx") or not entry.is_file():
                ignored.append(entry.name)
                continue
            files.append(entry.name)
            outputs.setdefault(output_name(entry.name), []).append(entry.name)
    failed = 0
    for name in sorted(ignored):
        say({"ignored": name})
    for name in sorted(files):
        others = [other for other in outputs[output_name(name)] if other != name]
        line = answer(source, target, name, others)
        failed += 0 if line["ok"] else 1
        say(line)
    say({"done": True, "converted": len(files) - failed, "failed": failed, "ignored": len(ignored)})
    return 1 if failed else 0


def answer(source, target, name, others):
    """What became of one file. Its pickle is read in a process of its own."""
    output = output_name(name)
    written = os.path.join(target, output)
    try:
        if others:
            raise Refused(f"{', '.join(sorted(others))} would become the same {output}; remove one")
        return {"file": name, "ok": True, **outcome(in_child(lambda: told(os.path.join(source, name), written)))}
    except (Refused, OSError, Ended) as error:
        older = f" ({output} in the output folder is from an earlier run)" if os.path.exists(written) else ""
        return {"file": name, "ok": False, "error": f"{error}{older}"}


def told(source, written):
    """The conversion of one file as a value that a pipe takes: one bad file never stops the others."""
    try:
        return {"model": convert(source, written)}
    except MemoryError:
        return {"refused": f"it takes too much memory to read; {EXPECTED}"}
    except (Refused, OSError) as error:
        return {"refused": str(error)}
    except Exception as error:
        return {"refused": f"cannot be converted ({type(error).__name__}: {str(error)[:300]}); {EXPECTED}"}


def outcome(said):
    if "refused" in said:
        raise Refused(said["refused"])
    return said["model"]


def output_name(name):
    return re.sub(r"\.(pkl|pickle)$", "", name) + ".onnx"


def convert(source, target):
    name = os.path.basename(target)
    if not re.fullmatch(r"model_.+_.+\.onnx", name):
        raise Refused("the name does not say which sensor it is for; expected model_<device>_<sensor>")
    if source.endswith(".joblib"):
        raise Refused(f"{JOBLIB}, as a file without .joblib")
    size = os.path.getsize(source)
    if size > MAX_BYTES:
        raise Refused(f"it has {size} bytes, at most {MAX_BYTES} are read; {EXPECTED}")
    with open(source, "rb") as file:
        data = file.read()
    if b"joblib.numpy_pickle" in data[:MAX_BYTES]:
        raise Refused(JOBLIB)
    if data[:2] in COMPRESSED:
        raise Refused(f"it is compressed ({COMPRESSED[data[:2]]}); save the model with pickle.dump, not compressed; {EXPECTED}")
    try:
        parameters = parameters_of(load(data))
    except Refused as error:
        raise Refused(f"found {error}; {EXPECTED}") from None
    model = build_model(parameters)
    partial = os.path.join(os.path.dirname(target), f".{name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(model)
        os.replace(partial, target)
    finally:
        if os.path.exists(partial):
            os.remove(partial)
    return {
        "output": name,
        "sha256": hashlib.sha256(model).hexdigest(),
        "bytes": len(model),
        "support_vectors": len(parameters.dual_coef),
        "features": list(parameters.features),
    }


def say(line):
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1], sys.argv[2]))
