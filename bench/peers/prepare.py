"""Parameters of models (JSON lines on stdin) to pickled scikit-learn Pipelines: python prepare.py FOLDER"""
import json
import os
import pickle
import sys

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
for line in sys.stdin:
    p = json.loads(line)
    scaler = StandardScaler()
    scaler.mean_, scaler.scale_ = np.array([p["mean"]]), np.array([p["scale"]])
    scaler.var_, scaler.n_samples_seen_, scaler.n_features_in_ = scaler.scale_**2, 1000, 1
    count = len(p["supportVectors"])
    svm = OneClassSVM(kernel="rbf", gamma=p["gamma"])
    svm.support_ = np.arange(count, dtype=np.int32)
    svm.support_vectors_ = np.array(p["supportVectors"]).reshape(-1, 1)
    svm.dual_coef_ = svm._dual_coef_ = np.array([p["dualCoef"]])
    svm.intercept_ = svm._intercept_ = np.array([p["intercept"]])
    svm.offset_, svm._gamma, svm._sparse, svm.fit_status_, svm.shape_fit_ = -svm.intercept_, p["gamma"], False, 0, (1000, 1)
    svm._n_support = np.array([count, 0], dtype=np.int32)
    svm._probA = svm._probB = np.empty(0)
    svm.class_weight_, svm.n_features_in_, svm._num_iter, svm.n_iter_ = np.empty(0), 1, 0, 0
    with open(os.path.join(folder, f"model_{p['id']}.pkl"), "wb") as file:
        pickle.dump(Pipeline([("scaler", scaler), ("classifier", svm)]), file)
