"""Runs the recipes of docs/models.md as they stand there: python model_recipes.py PAGE OUT   (packages: scikit-learn, skl2onnx)

Writes OUT/*.onnx, and OUT/said.json: for each file rows and the labels of the model's own library. A recipe whose packages
are not there is left out, and said.
"""

import importlib.util
import json
import os
import re
import sys

import numpy as np
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingRegressor, IsolationForest, RandomForestClassifier

page, out = sys.argv[1:]
with open(page, encoding="utf8") as file:
    recipes = re.findall(r"```python\n(.*?)```", file.read().split("## Recipes for the others")[1], re.S)
os.chdir(out)
random = np.random.default_rng(3)
X = random.normal(20, 3, (300, 3))
said = {}

forest, classifiers, network, keras_network, residual = recipes
model = IsolationForest(n_estimators=10, random_state=1).fit(X)
exec(forest, {"model": model, "X": X})
os.rename("model_pump-1_flow.onnx", "forest.onnx")
said["forest.onnx"] = {"rows": X.astype("float32").tolist(), "labels": model.predict(X.astype("float32")).tolist(), "scores": model.decision_function(X.astype("float32")).tolist()}

classifier = RandomForestClassifier(n_estimators=9, random_state=1).fit(X.astype("float32"), (X[:, 0] > 23).astype(int))
exec(classifiers, {"classifier": classifier, "X": X, "to_onnx": to_onnx})
os.rename("model_pump-1_flow.onnx", "classifier.onnx")
chances = classifier.predict_proba(X.astype("float32"))[:, 1]
said["classifier.onnx"] = {"rows": X.astype("float32").tolist(), "labels": np.where(chances > 0.5, -1, 1).tolist(), "scores": chances.tolist()}

# skl2onnx stands in for onnxmltools: the regressor comes from either with one input and one output.
regressor = GradientBoostingRegressor(n_estimators=10, random_state=1).fit(X[:, 1:], X[:, 0])
onnx = to_onnx(regressor, X[:1, 1:].astype("float32"), target_opset={"": 15, "ai.onnx.ml": 3})
exec(residual, {"regressor_onnx": onnx})
os.rename("model_pump-1_temp.onnx", "residual.onnx")
errors = 3.0 - abs(X[:, 0].astype("float32") - regressor.predict(X[:, 1:].astype("float32")))
said["residual.onnx"] = {"rows": X.astype("float32").tolist(), "labels": np.where(errors < 0, -1, 1).tolist(), "scores": errors.tolist()}

if importlib.util.find_spec("torch"):
    import torch

    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh(), torch.nn.Linear(2, 3))
    rows = torch.randn(64, 3)
    found = {"torch": torch, "net": net, "example": rows[:2]}
    exec(network, found)
    os.rename("model_pump-1_flow.onnx", "network.onnx")
    with torch.no_grad():
        labels, scores = found["Detector"](net, 0.8)(rows)
    said["network.onnx"] = {"rows": rows.tolist(), "labels": labels.flatten().tolist(), "scores": scores.flatten().tolist()}
else:
    print("the recipe for torch is skipped: torch is not installed", file=sys.stderr)

if importlib.util.find_spec("keras") and importlib.util.find_spec("tf2onnx"):
    import keras

    keras.utils.set_random_seed(1)
    layers = [keras.Input((3,)), keras.layers.Dense(2, activation="tanh"), keras.layers.Dense(3)]
    net = keras.Sequential(layers)
    rows = random.normal(0, 1, (64, 3)).astype("float32")
    found = {"keras": keras, "net": net, "example": rows[:2]}
    exec(keras_network, found)
    os.rename("model_pump-1_flow.onnx", "keras-network.onnx")
    results = {name: np.asarray(value).flatten().tolist() for name, value in found["detector"](rows).items()}
    said["keras-network.onnx"] = {"rows": rows.tolist(), "labels": results["label"], "scores": results["scores"]}
else:
    print("the recipe for Keras is skipped: Keras with tf2onnx is not installed", file=sys.stderr)

with open("said.json", "w") as file:
    json.dump(said, file)
