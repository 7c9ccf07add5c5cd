"""The model files of a folder and the sensors they are for: by manifest.csv when there is one, else by name.

manifest.csv has the columns Device, Sensor and Model, and may have Pool and Window (handed on to publish), Features (of a model
that does not say, divided by spaces or commas) and Threshold: a number for models that score by density, or one with the
side of its anomalies, `<-0.1` or `>3`, which is handed on to publish and decides for any model. Device and Sensor may be
empty where one file holds the models of several sensors in a dict.
"""

import csv
import io
import os
import re
from dataclasses import dataclass

from features import unknown_of
from plain_objects import Refused

MANIFEST = "manifest.csv"
ENDINGS = re.compile(r"(\.(pkl|pickle|joblib|jl|sav|skops|p|dat|gz|z|bz2|xz|lzma|zlib))+$", re.IGNORECASE)
LINK = "it is a link to a file outside of the folder; put the model itself there"
COLUMNS = ("Device", "Sensor", "Model", "Pool", "Features", "Threshold", "Window")
COLUMN = {name.lower(): name for name in COLUMNS}


class Unnamed(Refused):
    """A file that does not say which sensor it is for."""


@dataclass(frozen=True)
class Source:
    file: str
    sensor: object = None  # (device, sensor), or None where the file or its name must say
    pool: str = ""
    features: tuple = ()
    threshold: object = None
    limit: str = ""  # the threshold with its side, for publish
    window: str = ""  # the length of the sensor's own windows, for publish
    problem: str = ""


def sources_of(folder):
    """Sources, and the names of files that are no models."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_file() and not entry.name.startswith("."))
        directories = sorted(entry.name + "/" for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    if MANIFEST in names:
        listed = list(_listed(os.path.join(folder, MANIFEST), folder))
        rest = {*(source.file for source in listed), MANIFEST}
        return listed, [name for name in names if name not in rest]
    models = [name for name in names if not name.endswith(".onnx") and (name.startswith("model_") or ENDINGS.search(name))]
    return [Source(name, problem="" if _inside(folder, name) else LINK) for name in models], sorted({*names, *directories} - set(models))


def sensor_of_name(name):
    """(device, sensor) of model_<device>_<sensor>. Raises Refused."""
    parts = ENDINGS.sub("", name).split("_")
    remedy = f"rename it, or list it in a {MANIFEST} with the columns Device,Sensor,Model"
    if parts[0] != "model" or len(parts) < 3 or not all(parts):
        raise Unnamed(f"the name does not say which sensor it is for; expected model_<device>_<sensor>: {remedy}")
    if len(parts) > 3:
        raise Unnamed(f"the name has more than two underscores, so device and sensor cannot be told apart: {remedy}")
    return parts[1], parts[2]


def _listed(path, folder):
    with open(path, "rb") as file:
        data = file.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield Source(MANIFEST, problem=f"it is not UTF-8: byte 0x{data[error.start]:02x} at position {error.start}; save it as CSV UTF-8")
    else:
        yield from _rows(csv.reader(io.StringIO(text, newline="")), folder)


def _rows(rows, folder):
    try:
        header = [COLUMN.get(name.strip().lower(), name.strip()) for name in next(rows, [])]
        if not {"Device", "Sensor", "Model"} <= set(header) or not set(header) <= set(COLUMNS):
            yield Source(MANIFEST, problem=f"its first line must name columns of {','.join(COLUMNS)}, the first three at least, with commas between; got {','.join(header)[:80]}")
            return
        lines = {}
        for number, row in enumerate(rows, 2):
            values = [value.strip() for value in row]
            if any(values):
                yield _of_row(header, values, f"line {number} of {MANIFEST}", lines, folder)
    except csv.Error as error:
        yield Source(MANIFEST, problem=f"line {rows.line_num} of {MANIFEST} is no row of CSV: {error}")


def _of_row(header, values, where, lines, folder):
    """`lines`: where each sensor was listed before."""
    source = _source(dict(zip(header, values)), where, folder)
    if source.problem:
        return source
    if len(values) > len(header):
        quoted = ', such as "mean,min"' if "Features" in header else ""
        return Source(source.file, problem=f"{where} has {len(values)} fields, and the header {len(header)}; put a field with commas in it into quotes{quoted}")
    before = lines.setdefault(source.sensor, where) if source.sensor else where
    if before != where:
        return Source(source.file, problem=f"{where}: sensor {source.sensor[0]} / {source.sensor[1]} is already in {before}")
    return source


def _inside(folder, file):
    """Whether it is in the folder, symbolic links followed: a folder of others must not choose which files are read."""
    return os.path.realpath(os.path.join(folder, file)).startswith(os.path.join(os.path.realpath(folder), ""))


def _source(row, where, folder):
    file, device, sensor = row.get("Model", ""), row.get("Device", ""), row.get("Sensor", "")
    if file == "" or not _inside(folder, file) or not os.path.isfile(os.path.join(folder, file)):
        return Source(file or MANIFEST, problem=f"{where}: there is no file {file!r} in the folder")
    if (device == "") != (sensor == ""):
        return Source(file, problem=f"{where}: Device and Sensor must both be there, or neither (a dict by sensor)")
    said = row.get("Threshold", "")
    limit = said if said[:1] in ("<", ">") else ""
    try:
        value = float(said[1:] if limit else said) if said else None
    except ValueError:
        return Source(file, problem=f"{where}: the Threshold {said!r} is not a number, nor one after < or >")
    # Densities fall for anomalies: there the side adds nothing.
    threshold = None if limit.startswith(">") else value
    features = tuple(part.lower() for part in re.split(r"[\s,;]+", row.get("Features", "")) if part)
    if unknown_of(features):
        return Source(file, problem=f"{where}: {unknown_of(features)}")
    return Source(file, (device, sensor) if device else None, row.get("Pool", ""), features, threshold, limit, row.get("Window", ""))
