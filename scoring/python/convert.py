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

try:
    from onnx_model import build_model
    from safe_pickle import Refused, load
    from sklearn_model import parameters_of
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(3)

MAX_BYTES = 64 * 1024 * 1024
EXPECTED = "expected a pickled scikit-learn Pipeline of StandardScaler and OneClassSVM(kernel='rbf'), or such a OneClassSVM alone"
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
        output = output_name(name)
        try:
            others = [other for other in outputs[output] if other != name]
            if others:
                raise Refused(f"{', '.join(sorted(others))} would become the same {output}; remove one")
            say({"file": name, "ok": True, **convert(os.path.join(source, name), os.path.join(target, output))})
        except (Refused, OSError) as error:
            failed += 1
            older = f" ({output} in the output folder is from an earlier run)" if os.path.exists(os.path.join(target, output)) else ""
            say({"file": name, "ok": False, "error": f"{error}{older}"})
        except Exception as error:  # one bad file never stops the others
            failed += 1
            say({"file": name, "ok": False, "error": f"cannot be converted ({type(error).__name__}: {error}); {EXPECTED}"})
    say({"done": True, "converted": len(files) - failed, "failed": failed, "ignored": len(ignored)})
    return 1 if failed else 0


def output_name(name):
    return re.sub(r"\.(pkl|pickle)$", "", name) + ".onnx"


def convert(source, target):
    name = os.path.basename(target)
    if not re.fullmatch(r"model_.+_.+\.onnx", name):
        raise Refused("the name does not say which sensor it is for; expected model_<device>_<sensor>")
    if source.endswith(".joblib"):
        raise Refused("joblib files are not read; load it and save the model with pickle.dump, as a file without .joblib")
    size = os.path.getsize(source)
    if size > MAX_BYTES:
        raise Refused(f"it has {size} bytes, at most {MAX_BYTES} are read; {EXPECTED}")
    with open(source, "rb") as file:
        data = file.read()
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
