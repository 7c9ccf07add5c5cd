"""Isolation forests of 100 trees as a scikit-learn user has them: python forests.py FOLDER COUNT"""
import os
import sys

import joblib
import numpy as np
from sklearn.ensemble import IsolationForest

folder, count = sys.argv[1], int(sys.argv[2])
os.makedirs(folder, exist_ok=True)
for number in range(1, count + 1):
    rng = np.random.default_rng(number)
    # Values such as those of a simulated fleet, rounded as sensors round.
    rows = np.round(rng.normal(20 + number % 50, 3, (1_000, 1)), 1 + number % 2)
    joblib.dump(IsolationForest(random_state=number).fit(rows), os.path.join(folder, f"model_{number}.joblib"))
