"""Makes a model of every kind that `models convert` takes, with what its own library says of many rows.

    python make.py OUT ROWS TRAIN TREES [PART_OF_KIND ...]      (packages: requirements.txt)

Writes OUT/models/ with the model files and a manifest.csv, and OUT/<case>.f64: for each row its features, the label of
predict() in the convention of the contract (1 normal, -1 anomaly) and the library's score. OUT/cases.json lists the cases,
OUT/kinds.json all kinds. With parts of names only kinds that have one of them.
Half of the rows are continuous, half are rounded as sensors round them, where ties are; training rows too. TRAIN rows are
fitted, forests have TREES trees.
"""

import bz2
import gzip
import json
import lzma
import pickle
import sys
import warnings
import zlib
from pathlib import Path

import joblib
import numpy as np
import skops.io
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.gmm import GMM
from pyod.models.hbos import HBOS
from pyod.models.iforest import IForest
from pyod.models.kde import KDE
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from pyod.models.mad import MAD
from pyod.models.mcd import MCD
from pyod.models.ocsvm import OCSVM
from pyod.models.pca import PCA as PyodPCA
from sklearn.compose import ColumnTransformer
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA, FactorAnalysis, FastICA, IncrementalPCA, TruncatedSVD
from sklearn.ensemble import IsolationForest
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import SGDOneClassSVM
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import OneClassSVM

warnings.filterwarnings("ignore")
OUT, ROWS, FITTED, TREES = Path(sys.argv[1]), *map(int, sys.argv[2:5])
PARTS = sys.argv[5:]
# Rows that are given to PyOD one by one.
ALONE = min(400, ROWS // 10)
TWELVE = ("mean", *(f"mean[-{lag}]" for lag in range(1, 12)))
random = np.random.default_rng(7)


def series(rows, width, rounded):
    """Temperatures: a slow wave and noise, each row with its own past; some rows are far off."""
    values = 20 + 4 * np.sin(np.arange(rows + width) / 40) + random.normal(0, 1.5, rows + width)
    values[random.random(rows + width) < 0.02] += random.choice([-15, 15])
    table = np.column_stack([values[width - 1 - lag : width - 1 - lag + rows] for lag in range(width)])
    return np.round(table / 0.5) * 0.5 if rounded else table


def wave(rows, width):
    return np.vstack([series(rows - rows // 2, width, False), series(rows // 2, width, True)])


TRAIN = {(width, rounded): series(FITTED, width, rounded) for width in (1, 12) for rounded in (False, True)}
TEST = {width: wave(ROWS, width) for width in (1, 12)}
SVM = dict(nu=0.05, gamma="scale")


class Supervised:
    """A pipeline with a step that looks at a target: whether it is warm."""

    def __init__(self, pipeline):
        self.pipeline = pipeline

    def fit(self, rows):
        return self.pipeline.fit(rows, rows[:, 0] > 20)


def forest(**options):
    return IsolationForest(n_estimators=TREES, random_state=1, **options)


KINDS = {
    "StandardScaler, OneClassSVM rbf": lambda: make_pipeline(StandardScaler(), OneClassSVM(**SVM)),
    "MinMaxScaler, OneClassSVM rbf": lambda: make_pipeline(MinMaxScaler(), OneClassSVM(**SVM)),
    "MinMaxScaler clip, OneClassSVM rbf": lambda: make_pipeline(MinMaxScaler(clip=True), OneClassSVM(**SVM)),
    "RobustScaler, OneClassSVM rbf": lambda: make_pipeline(RobustScaler(), OneClassSVM(**SVM)),
    "MaxAbsScaler, OneClassSVM rbf": lambda: make_pipeline(MaxAbsScaler(), OneClassSVM(**SVM)),
    "PowerTransformer, OneClassSVM rbf": lambda: make_pipeline(PowerTransformer(), OneClassSVM(**SVM)),
    "PowerTransformer box-cox, OneClassSVM rbf": lambda: make_pipeline(MinMaxScaler((1, 2), clip=True), PowerTransformer("box-cox"), OneClassSVM(**SVM)),
    "QuantileTransformer uniform, OneClassSVM rbf": lambda: make_pipeline(QuantileTransformer(n_quantiles=FITTED // 6), OneClassSVM(**SVM)),
    "QuantileTransformer normal, OneClassSVM rbf": lambda: make_pipeline(QuantileTransformer(n_quantiles=FITTED // 6, output_distribution="normal"), OneClassSVM(**SVM)),
    "PCA, OneClassSVM rbf": lambda: make_pipeline(StandardScaler(), PCA(0.9), OneClassSVM(**SVM)),
    "PCA whiten, OneClassSVM rbf": lambda: make_pipeline(StandardScaler(), PCA(0.9, whiten=True), OneClassSVM(**SVM)),
    "ColumnTransformer, OneClassSVM rbf": lambda: make_pipeline(ColumnTransformer([("a", RobustScaler(), [0]), ("b", MinMaxScaler(), slice(0, None))], remainder="passthrough", transformer_weights={"b": 0.5}), OneClassSVM(**SVM)),
    "FunctionTransformer log1p, OneClassSVM rbf": lambda: make_pipeline(FunctionTransformer(np.abs), FunctionTransformer(np.log1p, inverse_func=np.expm1), StandardScaler(), OneClassSVM(**SVM)),
    "SimpleImputer, passthrough, OneClassSVM rbf": lambda: make_pipeline(SimpleImputer(missing_values=20.0, strategy="constant", fill_value=17.25), "passthrough", StandardScaler(), OneClassSVM(**SVM)),
    "FunctionTransformer expm1 cbrt tanh clip, OneClassSVM rbf": lambda: make_pipeline(StandardScaler(), *map(FunctionTransformer, (np.expm1, np.cbrt, np.tanh)), FunctionTransformer(np.clip, kw_args={"a_min": -0.8, "a_max": 0.9}), OneClassSVM(**SVM)),
    "FunctionTransformer sqrt, IsolationForest": lambda: make_pipeline(StandardScaler(), FunctionTransformer(np.sqrt), forest()),  # of negative values there is none
    "FeatureUnion, OneClassSVM rbf": lambda: make_pipeline(FeatureUnion([("a", StandardScaler()), ("b", Normalizer()), ("c", "drop")], transformer_weights={"a": 0.5}), OneClassSVM(**SVM)),
    "IncrementalPCA, OneClassSVM rbf": lambda: make_pipeline(StandardScaler(), IncrementalPCA(1), OneClassSVM(**SVM)),
    "PolynomialFeatures, TruncatedSVD, OneClassSVM rbf": lambda: make_pipeline(StandardScaler(), PolynomialFeatures(), TruncatedSVD(2, random_state=1), OneClassSVM(**SVM)),
    "FastICA, OneClassSVM rbf": lambda: make_pipeline(StandardScaler(), FastICA(whiten="unit-variance", random_state=1), OneClassSVM(**SVM)),
    "FactorAnalysis, OneClassSVM rbf": lambda: make_pipeline(StandardScaler(), FactorAnalysis(1, random_state=1), OneClassSVM(**SVM)),
    "Normalizer l1, IsolationForest": lambda: make_pipeline(StandardScaler(), Normalizer("l1"), forest()),
    "PolynomialFeatures, VarianceThreshold, OneClassSVM rbf": lambda: make_pipeline(StandardScaler(), PolynomialFeatures(), VarianceThreshold(), OneClassSVM(**SVM)),
    "SelectKBest, OneClassSVM rbf": lambda: Supervised(make_pipeline(StandardScaler(), SelectKBest(k=1), OneClassSVM(**SVM))),
    "KBinsDiscretizer, OneClassSVM rbf": lambda: make_pipeline(KBinsDiscretizer(4, encode="onehot-dense", quantile_method="averaged_inverted_cdf"), OneClassSVM(**SVM)),
    "KBinsDiscretizer ordinal, IsolationForest": lambda: make_pipeline(KBinsDiscretizer(6, encode="ordinal", strategy="uniform"), forest()),
    "StandardScaler, OneClassSVM linear": lambda: make_pipeline(StandardScaler(), OneClassSVM(kernel="linear", nu=0.05)),
    "OneClassSVM linear": lambda: OneClassSVM(kernel="linear", nu=0.05),
    "StandardScaler, OneClassSVM poly": lambda: make_pipeline(StandardScaler(), OneClassSVM(kernel="poly", degree=3, coef0=1.0, nu=0.05)),
    "MinMaxScaler, OneClassSVM sigmoid": lambda: make_pipeline(MinMaxScaler(), OneClassSVM(kernel="sigmoid", coef0=0.5, nu=0.05)),
    "StandardScaler, SGDOneClassSVM": lambda: make_pipeline(StandardScaler(), SGDOneClassSVM(nu=0.05, random_state=1)),
    "Nystroem, SGDOneClassSVM": lambda: make_pipeline(StandardScaler(), Nystroem(n_components=40, random_state=1), SGDOneClassSVM(nu=0.05, random_state=1)),
    "Nystroem poly, SGDOneClassSVM": lambda: make_pipeline(StandardScaler(), Nystroem(kernel="poly", degree=2, gamma=0.3, coef0=1, n_components=20, random_state=1), SGDOneClassSVM(nu=0.05, random_state=1)),
    "Nystroem laplacian, SGDOneClassSVM": lambda: make_pipeline(StandardScaler(), Nystroem(kernel="laplacian", n_components=40, random_state=1), SGDOneClassSVM(nu=0.05, random_state=1)),
    "RBFSampler, SGDOneClassSVM": lambda: make_pipeline(StandardScaler(), RBFSampler(gamma=0.05, n_components=40, random_state=1), SGDOneClassSVM(nu=0.05, random_state=1)),
    "EllipticEnvelope": lambda: EllipticEnvelope(contamination=0.03, random_state=1),
    "StandardScaler, EllipticEnvelope": lambda: make_pipeline(StandardScaler(), EllipticEnvelope(contamination=0.03, store_precision=False, random_state=1)),
    "IsolationForest": lambda: forest(),
    "IsolationForest contamination 0.02": lambda: forest(contamination=0.02),
    "IsolationForest contamination 0.1": lambda: forest(contamination=0.1),
    "IsolationForest max_features 0.5": lambda: forest(max_features=0.5, max_samples=64),
    "StandardScaler, IsolationForest": lambda: make_pipeline(StandardScaler(), forest(contamination=0.02)),
    "LocalOutlierFactor": lambda: LocalOutlierFactor(novelty=True),
    "StandardScaler, LocalOutlierFactor": lambda: make_pipeline(StandardScaler(), LocalOutlierFactor(novelty=True, contamination=0.03)),
    "LocalOutlierFactor manhattan": lambda: LocalOutlierFactor(novelty=True, metric="manhattan"),
    "LocalOutlierFactor minkowski p 3": lambda: LocalOutlierFactor(novelty=True, p=3),
    "GaussianMixture": lambda: GaussianMixture(3, random_state=1),
    "GaussianMixture tied": lambda: GaussianMixture(3, covariance_type="tied", random_state=1),
    "GaussianMixture diag": lambda: make_pipeline(StandardScaler(), GaussianMixture(3, covariance_type="diag", random_state=1)),
    "GaussianMixture spherical": lambda: GaussianMixture(3, covariance_type="spherical", random_state=1),
    "BayesianGaussianMixture": lambda: BayesianGaussianMixture(n_components=3, random_state=1),
    "BayesianGaussianMixture diag": lambda: BayesianGaussianMixture(n_components=3, covariance_type="diag", weight_concentration_prior_type="dirichlet_distribution", random_state=1),
    "KernelDensity": lambda: make_pipeline(StandardScaler(), KernelDensity(bandwidth=0.4)),
    "KernelDensity exponential": lambda: make_pipeline(StandardScaler(), KernelDensity(kernel="exponential", bandwidth=0.4)),
    "KernelDensity tophat": lambda: make_pipeline(StandardScaler(), KernelDensity(kernel="tophat", bandwidth=2.5)),
    "KernelDensity epanechnikov": lambda: make_pipeline(StandardScaler(), KernelDensity(kernel="epanechnikov", bandwidth=2.5)),
    "KernelDensity linear": lambda: make_pipeline(StandardScaler(), KernelDensity(kernel="linear", bandwidth=2.5)),
    "KernelDensity cosine": lambda: make_pipeline(StandardScaler(), KernelDensity(kernel="cosine", bandwidth=2.5)),
    "PyOD IForest": lambda: IForest(n_estimators=TREES, random_state=1),
    "PyOD LOF": lambda: LOF(),
    "PyOD KNN": lambda: KNN(),
    "PyOD KNN mean": lambda: KNN(method="mean", n_neighbors=7),
    "PyOD KNN median": lambda: KNN(method="median", n_neighbors=6),
    "PyOD KNN manhattan": lambda: KNN(metric="manhattan"),
    "PyOD KNN chebyshev": lambda: KNN(metric="chebyshev"),
    "PyOD KNN minkowski p 3": lambda: KNN(p=3),
    "PyOD KNN cosine": lambda: KNN(metric="cosine"),
    "PyOD OCSVM": lambda: OCSVM(nu=0.05),
    "PyOD MCD": lambda: MCD(random_state=1),
    "PyOD MAD": lambda: MAD(),
    "PyOD GMM": lambda: GMM(n_components=2, random_state=1),
    "PyOD KDE": lambda: KDE(),
    "PyOD HBOS": lambda: HBOS(),
    "PyOD HBOS auto": lambda: HBOS(n_bins="auto"),
    "PyOD PCA": lambda: PyodPCA(),
    "PyOD ECOD": lambda: ECOD(),
    "PyOD COPOD": lambda: COPOD(),
}
# Files are written in all the forms that are read, one after the other.
FORMS = {
    ".pkl": pickle.dumps,
    ".p2.pickle": lambda model: pickle.dumps(model, 2),
    ".pkl.gz": lambda model: gzip.compress(pickle.dumps(model), mtime=0),
    ".pkl.bz2": lambda model: bz2.compress(pickle.dumps(model)),
    ".pkl.xz": lambda model: lzma.compress(pickle.dumps(model)),
    ".pkl.zlib": lambda model: zlib.compress(pickle.dumps(model)),
}


def write(path, model, at):
    forms = [*FORMS, ".joblib", ".joblib.gz", ".joblib.lzma", ".skops"]
    form = forms[at % len(forms)]
    names = np.array(TWELVE[: model[0].n_features_in_]) if isinstance(model, tuple) else None
    wrapped = {"model": model[0], "threshold": model[1], "features": names} if isinstance(model, tuple) else model
    if hasattr(wrapped, "steps") and at % 2 == 0 and "passthrough" not in wrapped.named_steps.values():
        wrapped = tuple(step for _, step in wrapped.steps)  # as people keep a scaler and a model
    path = path.with_name(path.name + form)
    inner = model[0] if isinstance(model, tuple) else model
    if form == ".skops" and (isinstance(model, tuple) or type(inner).__module__.startswith("pyod")):
        form = ".joblib"
    if form in FORMS:
        path.write_bytes(FORMS[form](wrapped))
    elif form == ".skops":
        skops.io.dump(wrapped, path)
    else:
        joblib.dump(wrapped, path, compress={".joblib": 0, ".joblib.gz": ("gzip", 3), ".joblib.lzma": ("lzma", 3)}[form])
    return path.name


def verdicts(model, rows):
    """Labels of the contract and scores, as the library gives them."""
    if isinstance(model, tuple):
        scores = model[0].score_samples(rows)
        return np.where(scores < model[1], -1, 1), scores
    if type(model).__module__.startswith("pyod.models.ecod") or type(model).__module__.startswith("pyod.models.copod"):
        # A row alone: PyOD ranks rows of one call among each other.
        rows = rows[:: max(1, len(rows) // ALONE)]
        scores = np.array([model.decision_function(row[None])[0] for row in rows])
        return np.where(scores > model.threshold_, -1, 1), scores
    labels = model.predict(rows)
    return (1 - 2 * labels if type(model).__module__.startswith("pyod") else labels), model.decision_function(rows)


def in_its_last_bit(model):
    """The model as another processor or version would have fitted it: where its limit is a score of training rows, score and
    limit differ in their last bit. Rows that are at the limit are normal all the same."""
    if isinstance(model, tuple):
        return model[0], float(np.nextafter(model[1], np.inf))
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    if type(last).__name__ == "MCD":
        pass  # its predict() squares a root, and so has last bits of its own
    elif hasattr(last, "decision_scores_"):
        at_it = np.isclose(last.decision_scores_, last.threshold_, 1e-12, 0)
        if last.threshold_ != 0 and at_it.any() and not (last.decision_scores_[at_it] > last.threshold_).any():
            last.threshold_ = np.nextafter(last.threshold_, -np.inf)
            last.decision_scores_ = np.where(at_it, last.threshold_, last.decision_scores_)
    elif getattr(last, "contamination", "auto") != "auto" and isinstance(last, IsolationForest):
        last.offset_ = np.nextafter(last.offset_, np.inf)
    return model


def main():
    (OUT / "models").mkdir(parents=True)
    cases, manifest = [], ["Device,Sensor,Model,Features"]
    (OUT / "kinds.json").write_text(json.dumps(list(KINDS)))
    for kind, make in KINDS.items():
        if PARTS and not any(part in kind for part in PARTS):
            continue
        for width, rounded in ((1, False), (12, False), (1, True), (12, True)):
            if (kind, width) in (("PyOD PCA", 1), ("PyOD MAD", 12), ("KernelDensity cosine", 12)):
                continue  # which PyOD itself refuses, and of which scikit-learn has no density
            name = f"case{len(cases)}"
            train, rows = TRAIN[width, rounded], TEST[width]
            model = make().fit(train)
            if kind.startswith(("GaussianMixture", "BayesianGaussianMixture", "KernelDensity")):
                # Of rounded readings the score of a training row itself, which many rows have.
                model = (model, float(np.quantile(model.score_samples(train), 0.03, method="lower" if rounded else "linear")))
            labels, scores = verdicts(model, rows)
            rows = rows[:: max(1, len(rows) // ALONE)] if len(scores) < len(rows) else rows
            np.column_stack([rows, labels, scores]).astype("<f8").tofile(OUT / f"{name}.f64")
            file = write(OUT / "models" / name, in_its_last_bit(model) if rounded else model, len(cases))
            features = " ".join(TWELVE[:width])
            manifest.append(f"kind,{name},{file},{features}")
            cases.append({"name": name, "kind": kind, "features": width, "rounded": rounded, "rows": len(scores), "file": file})
    (OUT / "models" / "manifest.csv").write_text("\n".join(manifest) + "\n")
    (OUT / "cases.json").write_text(json.dumps(cases))


main()
