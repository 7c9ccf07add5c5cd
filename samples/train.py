"""Trains the models of the sample fleet: one StandardScaler + OneClassSVM(rbf) for each sensor.

    python samples/train.py HISTORY.csv samples/models test/fixtures/sample-predictions.csv

HISTORY.csv comes from samples/export-history.ts. Writes `model_<device>_<sensor>.onnx` and manifest.csv,
and scikit-learn's own labels and scores for chosen values, which a test holds the ONNX models to.
Of the settings tried for a sensor, those are taken that flag fewest readings of a normal history they have
not seen, and among equals the tightest; all must call an anomaly what stands half an envelope outside.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scoring" / "python"))
from onnx_model import ModelParameters, build_model  # noqa: E402

MOST_SUPPORT_VECTORS = 16
GAMMAS = (0.02, 0.035, 0.05)
NUS = (0.0003, 0.0005, 0.001)


def main(history_path, models_dir, predictions_path):
    models_dir = Path(models_dir)
    models_dir.mkdir(parents=True, exist_ok=True)
    history = {}
    with open(history_path, newline="") as file:
        for row in csv.DictReader(file):
            history.setdefault((row["Device"], row["Sensor"]), []).append(float(row["Value"]))

    manifest = [("Device", "Sensor", "Model")]
    predictions = [("Device", "Sensor", "Value", "Label", "Score")]
    for (device, sensor), values in history.items():
        values = np.array(values)[:, None]
        pipeline = train(values)
        name = f"model_{device}_{sensor}.onnx"
        (models_dir / name).write_bytes(build_model(parameters_of(pipeline)))
        manifest.append((device, sensor, name))
        chosen = probes(pipeline, values)
        labels = pipeline.predict(chosen[:, None])
        scores = pipeline.decision_function(chosen[:, None])
        predictions += [(device, sensor, repr(float(v)), int(l), repr(float(s))) for v, l, s in zip(chosen, labels, scores)]
    for path, rows in ((models_dir / "manifest.csv", manifest), (Path(predictions_path), predictions)):
        with open(path, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def train(values):
    """Chooses the settings on half of the history, judged on the other half, and fits them on all of it."""
    half = len(values) // 2
    seen, unseen = values[:half], values[half:]
    reach = (values.max() - values.min()) / 2
    beyond = np.array([[values.min() - 0.5 * reach], [values.max() + 0.5 * reach]])
    between = np.linspace(*np.quantile(values, (0.001, 0.999)), 1000)[:, None]
    candidates = []
    for gamma in GAMMAS:
        for nu in NUS:
            false_alarms = (fitted(seen, gamma, nu).predict(unseen) == -1).mean()
            pipeline = fitted(values, gamma, nu)
            count = len(pipeline[-1].support_vectors_)
            # A kernel too narrow leaves holes in the middle of the envelope.
            fits = (pipeline.predict(beyond) == -1).all() and (pipeline.predict(between) == 1).all()
            if fits and count <= MOST_SUPPORT_VECTORS:
                candidates.append((false_alarms, count, gamma, nu, pipeline))
    if not candidates:
        raise SystemExit("no settings give few enough support vectors and find what is out of the envelope")
    best = min(candidates, key=lambda c: (c[0], -c[2], -c[3]))
    print("false alarms %.4f  support vectors %2d  gamma %.2f  nu %.4f" % best[:4], file=sys.stderr)
    return best[-1]


def fitted(values, gamma, nu):
    pipeline = Pipeline([("scaler", StandardScaler()), ("classifier", OneClassSVM(nu=nu, gamma=gamma, tol=1e-6))])
    return pipeline.fit(values)


def parameters_of(pipeline):
    scaler, svm = pipeline[0], pipeline[-1]
    return ModelParameters(
        features=("mean",),
        mean=scaler.mean_,
        scale=scaler.scale_,
        support_vectors=svm.support_vectors_,
        gamma=svm._gamma,
        dual_coef=svm._dual_coef_[0],
        intercept=svm._intercept_[0],
    )


def probes(pipeline, values):
    """Values that tell: everyday ones, those the model rests on, both sides of its boundary, far outside."""
    svm = pipeline[-1]
    flat = values[:, 0]
    resting = values[svm.support_][:4, 0]
    middle, reach = np.median(flat), (flat.max() - flat.min()) / 2
    edges = [edge(pipeline, middle, middle + side * 3 * reach) for side in (-1, 1)]
    near = [e + sign * 1e-7 * reach for e in edges for sign in (-1, 1)]
    return np.concatenate([flat[:: len(flat) // 3][:3], resting, near, [flat.min() - 2 * reach, flat.max() + 2 * reach, 0.0, -1e9]])


def edge(pipeline, inside, outside):
    """Where the label changes between a normal and an anomalous value."""
    for _ in range(80):
        middle = (inside + outside) / 2
        if pipeline.predict([[middle]])[0] == 1:
            inside = middle
        else:
            outside = middle
    return inside


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
