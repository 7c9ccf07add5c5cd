"""Trains one model for each sensor of readings.csv: how the sensor behaves when all is well.

    python train.py            # writes models/model_<device>_<sensor>.pkl

Put your own readings in place of readings.csv (TS,Device,Sensor,Value), and your own model in place of this one:
docs/models.md of fleetscore lists the kinds of scikit-learn and PyOD that it takes.
"""

import csv
import pickle
from datetime import datetime
from pathlib import Path

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

WINDOW_S = 5  # fleetscore scores the mean of each window of five seconds: train on the same
TRAIN_SHARE = 0.6  # the first part of the readings, in which nothing was wrong


def window_means(path):
    """Means of the readings in each window, by sensor, in order of time."""
    windows = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            at = int(datetime.fromisoformat(row["TS"]).timestamp()) // WINDOW_S
            windows.setdefault((row["Device"], row["Sensor"]), {}).setdefault(at, []).append(float(row["Value"]))
    return {
        sensor: [sum(values) / len(values) for _, values in sorted(of.items())] for sensor, of in windows.items()
    }


def main():
    folder = Path("models")
    folder.mkdir(exist_ok=True)
    for (device, sensor), means in window_means("readings.csv").items():
        normal = [[mean] for mean in means[: int(len(means) * TRAIN_SHARE)]]
        model = make_pipeline(StandardScaler(), OneClassSVM(kernel="rbf", gamma=0.05, nu=0.005)).fit(normal)
        path = folder / f"model_{device}_{sensor}.pkl"
        path.write_bytes(pickle.dumps(model))
        print(f"{path}: trained on {len(normal)} windows")


if __name__ == "__main__":
    main()
