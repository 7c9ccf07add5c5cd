"""Converts models of scikit-learn and PyOD to ONNX, without these libraries and without running code of the files.

    python convert.py DIR OUT [FEATURES]

Reads the model files of DIR (sources.py says which) and writes an ONNX file for every sensor to OUT, and
a manifest.csv where names alone would not say which sensor a file is for. FEATURES, divided by commas, are those of
models that do not say. One bad file never stops the others. On standard output one JSON object a line: {"file",
"ok": true, "output", "device", "sensor", "kind", "sha256", "bytes", "size", "features", perhaps "note"} or {"file", "ok": false,
"error"} or {"ignored"}; the last is {"done": true, ...}. The same file gives the same bytes.
Exit code: 0 all converted, 1 some refused, 2 wrong use, 3 packages missing.
"""

import csv
import dataclasses
import hashlib
import json
import os
import sys

from child import Ended, in_child

try:
    from build import build, scores_density
    from contents import is_part_name, models_in, sensor_of_key
    from features import FEATURE
    from model_file import read_model_file
    from plain_objects import Refused
    from safe_pickle import MAX_BYTES
    from sources import MANIFEST, Unnamed, sensor_of_name, sources_of
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(3)

EXPECTED = (
    "expected a fitted detector of scikit-learn or PyOD, alone or in a Pipeline with scalers, as pickle, joblib or skops: docs/models.md"
)


def main(source, target, features=()):
    os.makedirs(target, exist_ok=True)
    sources, ignored = sources_of(source)
    for name in ignored:
        say({"ignored": name})
    done, failed, taken = [], 0, {}
    for item in sources:
        lines, refused = _answer(source, target, item, sources, features, taken)
        for line in lines:
            taken[line["device"], line["sensor"]] = item.file
            done.append((line["device"], line["sensor"], line["output"], (item.pool, item.limit, item.window)))
            say({"file": item.file, "ok": True, **line})
        if refused is not None:
            failed += 1
            say({"file": item.file, "ok": False, "error": f"{refused}{_older(item, target, done)}"})
    _write_manifest(done, target)
    say({"done": True, "converted": len(done), "failed": failed, "ignored": len(ignored)})
    return 1 if failed else 0


def _answer(source, target, item, sources, features, taken):
    """What became of one file: a line for each model, and why it, or the rest of it, was refused. Read in a process of its own."""
    if item.problem:
        return [], item.problem
    same = sorted(other.file for other in sources if other is not item and _would_be_same(item, other))
    if same:
        return [], f"{', '.join(same)} would become the same {_output(item)}; remove one"
    try:
        said = in_child(lambda: _told(os.path.join(source, item.file), item, features, taken, target))
        return said["lines"], said["refused"]
    except (Ended, OSError) as error:
        return [], str(error)


def _told(path, item, features, taken, target):
    """The conversion of one file as a value that a pipe takes: one bad file never stops the others."""
    lines = []
    try:
        for sensor, built in _models(path, item, features):
            first = taken.get(sensor)
            if first is not None:
                raise Refused(f"sensor {sensor[0]} / {sensor[1]} has a model in {first} already")
            lines.append({"device": sensor[0], "sensor": sensor[1], **_write(built, sensor, target)})
    except MemoryError:
        return {"lines": lines, "refused": f"it takes too much memory to read; {EXPECTED}"}
    except (Refused, OSError) as error:
        return {"lines": lines, "refused": str(error)}
    except Exception as error:
        return {"lines": lines, "refused": f"cannot be converted ({type(error).__name__}: {str(error)[:300]}); {EXPECTED}"}
    return {"lines": lines, "refused": None}


def _models(path, item, features):
    """((device, sensor), Built) of each model in a file."""
    size = os.path.getsize(path)
    if size > MAX_BYTES:
        raise Refused(f"it has {size} bytes, at most {MAX_BYTES} are read; {EXPECTED}")
    with open(path, "rb") as file:
        data = file.read()
    named = item.sensor
    if named is None and item.file.startswith("model_"):
        named = sensor_of_name(item.file)
    try:
        found = models_in(read_model_file(data))
        if len(found) > 1 and named is not None:
            keys = ", ".join(repr(key) for key, _ in found[:4])
            raise Refused(
                f"a dict of {len(found)} models ({keys}), where one for {named[0]} / {named[1]} is expected (save that one alone; or, of models "
                f"by sensor, leave Device and Sensor empty in {MANIFEST}, or rename the file)"
            )
        for key, steps in found:
            sensor = _sensor(key, named, item)
            yield sensor, build(_with_threshold(steps, item), item.features or features)
    except Unnamed:
        raise
    except Refused as error:
        raise Refused(f"found {error}; {EXPECTED}") from None


def _with_threshold(steps, item):
    """One with its side decides outside of the model, but a density needs it inside too."""
    if item.threshold is None or (item.limit and not scores_density(steps)):
        return steps
    return dataclasses.replace(steps, threshold=item.threshold)


def _sensor(key, named, item):
    if key is None or is_part_name(key):
        return named or sensor_of_name(item.file)
    said = sensor_of_key(key)
    if named is not None:
        if isinstance(key, tuple) or any(mark in key for mark in "/|:"):
            if said != named:
                raise Refused(f"a dict with a model for {key!r}, where one for {named[0]} / {named[1]} is expected")
        return named
    if said is None:
        raise Refused(f"a dict whose key {key!r} does not say device and sensor (use 'device/sensor', or a tuple)")
    return said


def _would_be_same(item, other):
    return item.sensor is None and other.sensor is None and item.file.startswith("model_") and _output(item) == _output(other)


def _output(item):
    try:
        return "model_{}_{}.onnx".format(*(item.sensor or sensor_of_name(item.file)))
    except Refused:
        return item.file


def _write(built, sensor, target):
    plain = all(part and part.isascii() and not set(part) & set('_/\\:*?"<>|%') for part in sensor)
    digest = hashlib.sha256(built.model).hexdigest()
    name = f"model_{sensor[0]}_{sensor[1]}.onnx" if plain else f"sensor-{hashlib.sha256(repr(sensor).encode()).hexdigest()[:16]}.onnx"
    partial = os.path.join(target, f".{name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(built.model)
        os.replace(partial, os.path.join(target, name))
    finally:
        if os.path.exists(partial):
            os.remove(partial)
    line = {"output": name, "kind": built.kind, "sha256": digest, "bytes": len(built.model), "size": built.size, "features": list(built.features)}
    return {**line, "note": built.note} if built.note else line


OPTIONAL = ("Pool", "Threshold", "Window")


def _write_manifest(done, target):
    """Where a name does not say the sensor, or a pool, a threshold or a window is given; what an earlier run listed for other sensors stays."""
    path = os.path.join(target, MANIFEST)
    if not os.path.exists(path) and all(output.startswith("model_") and not any(more) for _, _, output, more in done):
        return
    rows = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = {(row["Device"], row["Sensor"]): (row["Model"], tuple(row.get(name) or "" for name in OPTIONAL)) for row in csv.DictReader(file)}
    rows.update({(device, sensor): (output, more) for device, sensor, output, more in done})
    used = [at for at in range(len(OPTIONAL)) if any(more[at] for _, more in rows.values())]
    with open(path + ".partial", "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("Device", "Sensor", "Model", *(OPTIONAL[at] for at in used)))
        for sensor, (output, more) in sorted(rows.items()):
            out.writerow((*sensor, output, *(more[at] for at in used)))
    os.replace(path + ".partial", path)


def _older(item, target, done):
    output = _output(item)
    ours = any(made == output for _, _, made, _ in done)
    there = not ours and output.endswith(".onnx") and os.path.exists(os.path.join(target, output))
    return f" ({output} in the output folder is from an earlier run)" if there else ""


def say(line):
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    given = tuple(part for part in (sys.argv[3] if len(sys.argv) == 4 else "").split(",") if part)
    if len(sys.argv) not in (3, 4) or not all(map(FEATURE.fullmatch, given)):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1], sys.argv[2], given))
