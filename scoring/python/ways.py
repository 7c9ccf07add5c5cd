"""What is not converted, by name, and the way that works for it."""

from functions import APPLIED

WAYS = (
    (("torch", "keras", "tensorflow", "PyOD AutoEncoder", "PyOD VAE"), "export the network with torch.onnx.export(..., dynamic_shapes=..., external_data=False) and publish the ONNX file"),
    (("lightgbm", "xgboost", "catboost"), "convert it with onnxmltools, add label and scores, and publish the ONNX file"),
    (("cloudpickle",), "a class or function whose code is in the file, which is never run: save the fitted model itself, such as search.best_estimator_"),
    (("dill.",), "save the model with pickle or joblib: a file of dill has code in it, which is never run"),
    (("statsmodels.", "prophet.", "river.", "hdbscan."), "it cannot be ONNX: send what it says, or its residuals, as readings of a sensor of its own, and publish a model for that sensor"),
    (("numpy.",), f"of functions of NumPy a FunctionTransformer may apply {', '.join(APPLIED)} and clip"),
    (("functools.", "operator."), "a function with arguments of its own, which is never run: use a step of scikit-learn's, or numpy.clip with kw_args"),
    (("pyarrow.",), "texts that pandas keeps with pyarrow: give names of columns as a list, such as list(X.columns), and leave tables out of the file"),
    (("types.",), "save the model and its scalers in a dict, a tuple or a Pipeline"),
    (("__main__.", "__mp_main__."), "a class or function of the script that saved it, whose code is not in the file: save the fitted model of scikit-learn that it holds, or export it to ONNX"),
    (("pyod.", "PyOD"), "of PyOD COPOD, ECOD, GMM, HBOS, IForest, KDE, KNN, LOF, MAD, MCD, OCSVM and PCA are"),
    (("sklearn.",), "where skl2onnx has a converter: to_onnx(model, X[:1].astype('float32'), target_opset={'': 15, 'ai.onnx.ml': 3}), then publish the ONNX file"),
)
DOCS = "recipes: docs/models.md"


def not_converted(found):
    """For people: the class of an Estimator, and its way where there is one."""
    return named(found.path, found.kind)


def named(path, kind=""):
    """The same of a class that is only known by its name."""
    way = next((way for heads, way in WAYS if kind.startswith(heads) or path.startswith(heads)), None)
    return path + (f", which is not converted ({way}; {DOCS})" if way else "")
