"""The job every peer does: the models and windows of a simulated fleet, scored with scikit-learn.

A sensor's model is a pickled Pipeline in a file of its own, its windows are rows of the fleet's SQLite store, its
predictions go to a CSV file: what a user of these tools writes. Only how the work is spread is the peer's own.
"""
import argparse
import csv
import json
import os
import pickle
import sqlite3
import time
from datetime import datetime, timezone

import numpy as np


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", required=True, help="folder of model_<id>.pkl")
    parser.add_argument("--db", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--from-ms", type=int, required=True)
    parser.add_argument("--to-ms", type=int, required=True)
    parser.add_argument("--sensors", type=int, required=True, help="ids 1 to this")
    parser.add_argument("--way", choices=["sensor", "chunk"], required=True)
    parser.add_argument("--chunk", type=int, default=100)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    return parser.parse_args()


def items(o):
    """What one task gets: the ids of its sensors."""
    size = 1 if o.way == "sensor" else o.chunk
    return [list(range(first, min(first + size, o.sensors + 1))) for first in range(1, o.sensors + 1, size)]


def load(path):
    """A forest of joblib, or a pickle."""
    if os.path.exists(path + ".joblib"):
        import joblib

        return joblib.load(path + ".joblib")
    with open(path + ".pkl", "rb") as model_file:
        return pickle.load(model_file)


def score(ids, models, db, out, from_ms, to_ms):
    """Scores these sensors into one file. Returns rows and anomalies."""
    connection = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    marks = ",".join("?" * len(ids))
    names = {row[0]: row[1:] for row in connection.execute(f"SELECT id, device, sensor FROM sensors WHERE id IN ({marks})", ids)}
    series = {}
    query = f"SELECT sensor_id, start_ms, mean FROM windows WHERE sensor_id IN ({marks}) AND start_ms >= ? AND start_ms < ? ORDER BY sensor_id, start_ms"
    for sensor_id, start_ms, mean in connection.execute(query, [*ids, from_ms, to_ms]):
        series.setdefault(sensor_id, []).append((start_ms, mean))
    connection.close()
    rows = anomalies = 0
    with open(os.path.join(out, f"predictions_{ids[0]}.csv"), "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["TS", "Device", "Sensor", "Val", "Prediction", "Score"])
        for sensor_id in ids:
            model = load(os.path.join(models, f"model_{sensor_id}"))
            windows = series.get(sensor_id, [])
            values = np.array([mean for _, mean in windows]).reshape(-1, 1)
            labels = model.predict(values)
            # Of a forest the score is all of the work once more: its user is content with the labels.
            scores = labels if hasattr(model, "estimators_") else model.decision_function(values)
            device, sensor = names[sensor_id]
            for (start_ms, mean), label, value in zip(windows, labels, scores):
                time_text = datetime.fromtimestamp(start_ms / 1000, timezone.utc).isoformat()
                writer.writerow([time_text, device, sensor, mean, int(label != 1), value])
            rows += len(windows)
            anomalies += int((labels != 1).sum())
    return rows, anomalies


def arguments(o):
    """What `score` takes beside the ids."""
    return o.models, o.db, o.out, o.from_ms, o.to_ms


def report(started, results, cpu_seconds=None):
    """One JSON line: the last of the output."""
    results = list(results)
    print(json.dumps({
        "seconds": time.perf_counter() - started,
        "cpuSeconds": cpu_seconds,
        "rows": sum(result[0] for result in results),
        "anomalies": sum(result[1] for result in results),
    }), flush=True)
