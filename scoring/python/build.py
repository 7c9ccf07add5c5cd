"""From what a model file holds to an ONNX model: which steps it has, which features, which graph.

A StandardScaler and a OneClassSVM with RBF kernel keep the graph of onnx_model.py, which packs are made of. All
other kinds are put together of transformers.py, detectors.py and pyod_detectors.py. What none of these carries over
exactly is refused with what was found and the way that works.
"""

from dataclasses import dataclass

from attributes import Attributes, article, texts_in, to_numbers
from detectors import DENSITIES, DETECTORS
from features import FEATURE
from graph import Graph
from onnx_model import build_model
from plain_objects import Array, Estimator, Refused
from pyod_detectors import PYOD, verdict
from sklearn_model import parameters_of
from transformers import TRANSFORMERS, pipeline_steps, transform
from ways import not_converted



SEARCHES = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")


@dataclass(frozen=True)
class Built:
    model: bytes
    kind: str  # such as "StandardScaler, OneClassSVM(rbf)"
    features: tuple
    size: int  # support vectors, training rows or trees
    note: str = ""  # where labels may differ from the library's


@dataclass(frozen=True)
class Steps:
    """One model: transformers, a detector, and what the file says beside them."""

    steps: tuple
    threshold: object = None
    features: object = None
    number: object = None  # beside a model in a tuple: the threshold of one that needs a threshold
    applied: tuple = ()  # names of numbers that may be applied to rows before the model sees them


def build(found: Steps, features=None) -> Built:
    """`features`: names from outside of the file, for a model that does not say. Raises Refused."""
    steps = _flat(found.steps)
    detector = steps[-1] if steps else None
    if not is_detector(detector):
        raise Refused(name_of(detector) if len(steps) == 1 else _pipeline_of(steps))
    # Before anything is asked of the user: features of a model that is refused all the same would be asked for in vain.
    foreign = next((step for step in steps[:-1] if isinstance(step, Estimator) and not is_transformer(step)), None)
    if foreign is not None:
        raise Refused(not_converted(foreign))
    if found.applied and len(steps) == 1:
        raise Refused(
            f"{_listed(found.applied)} beside {name_of(detector)}: whether rows are scaled by them first is not said; put a StandardScaler (or "
            f"the like) and the model into a Pipeline, or leave them out of the file"
        )
    kind = ", ".join(map(short_name, steps))
    decides = detector.kind not in DENSITIES
    if decides and found.threshold is not None:
        raise Refused(
            f"a threshold beside {article(detector.kind)} {short_name(detector)}, which decides by itself: leave it out, or say it with its side in the column "
            f"Threshold of a manifest.csv, such as <-0.1 (rows whose score is below it are anomalies), which publish applies"
        )
    note = f"the number {found.number} beside it is not used" if decides and found.number is not None else ""
    if [step.kind for step in steps] in (["OneClassSVM"], ["StandardScaler", "OneClassSVM"]) and detector.attributes.get("kernel", "rbf") == "rbf":
        parameters = parameters_of(list(steps), lambda width: _features(steps, width, found.features, features))
        return Built(build_model(parameters), kind, parameters.features, len(parameters.dual_coef), note)
    width = width_of(steps)
    names = _features(steps, width, found.features, features)
    graph = Graph(width)
    x, at = graph.x, width
    for step in steps[:-1]:
        x, at = transform(graph, x, at, step)
    decided = _decide(graph, x, at, detector, found.number if found.threshold is None else found.threshold)
    return Built(graph.model(decided.scores, decided.normal, kind, names), kind, names, decided.size, decided.note or note)


def _decide(graph, x, width, detector, threshold):
    a = Attributes(detector)
    if detector.kind in PYOD:
        return verdict(graph, x, width, a)
    if detector.kind in DETECTORS:
        return DETECTORS[detector.kind](graph, x, width, a)
    if threshold is None:
        raise Refused(
            f"{article(detector.kind)} {detector.kind} without a threshold: save {{'model': model, 'threshold': number}}, or give it in the column "
            f"Threshold of a manifest.csv; a row whose score_samples is below it is an anomaly"
        )
    limit = to_numbers(threshold, f"{article(detector.kind)} {detector.kind} whose threshold")
    if limit.size != 1:
        raise Refused(f"{article(detector.kind)} {detector.kind} with {limit.size} thresholds instead of 1")
    return DENSITIES[detector.kind](graph, x, width, a, float(limit.reshape(-1)[0]))


def scores_density(found: Steps):
    last = _flat(found.steps)[-1:]
    return bool(last) and isinstance(last[0], Estimator) and last[0].kind in DENSITIES


def is_detector(found):
    return isinstance(found, Estimator) and (found.kind in DETECTORS or found.kind in DENSITIES or found.kind in PYOD)


def is_transformer(found):
    return isinstance(found, Estimator) and found.kind in TRANSFORMERS


def is_model(found):
    """A detector, or a Pipeline, whatever it ends with; or a search over these."""
    return is_detector(found) or (isinstance(found, Estimator) and found.kind in ("Pipeline", *SEARCHES))


def best_of(found):
    """What a search found, which is what it predicts with."""
    if not isinstance(found, Estimator) or found.kind not in SEARCHES:
        return found
    best = found.attributes.get("best_estimator_")
    if not isinstance(best, Estimator):
        raise Refused(f"a {found.kind} without best_estimator_ (never fitted, or refit=False): save the model that it found")
    return best_of(best)


def _listed(names):
    return " and ".join(repr(name) for name in names)


def _flat(steps):
    flat = []
    for step in map(best_of, steps):
        if isinstance(step, Estimator) and step.kind == "Pipeline":
            flat.extend(_flat(pipeline_steps(step)))
        elif step is not None and step != "passthrough":
            flat.append(step)
    return flat


def _pipeline_of(steps):
    """A Pipeline that does not end with a detector, and what to do with what it ends with."""
    names = f"a Pipeline of {', '.join(map(short_name, steps)) or 'nothing'}"
    last = steps[-1] if steps else None
    return f"{names}: {not_converted(last)}" if isinstance(last, Estimator) and not is_transformer(last) else names


def short_name(step):
    if not isinstance(step, Estimator):
        return type(step).__name__
    kernel = step.attributes.get("kernel", "rbf")
    return f"OneClassSVM({kernel})" if step.kind == "OneClassSVM" and isinstance(kernel, str) else step.kind


def name_of(found):
    """What was found, and the way that works for it where there is one."""
    if isinstance(found, type) and issubclass(found, Estimator):
        return not_converted(found) if found.path.startswith("numpy.") else f"the class {found.path}, and no fitted object of it"
    if isinstance(found, Array):
        return f"an array of the shape {found.shape}"
    if not isinstance(found, Estimator):
        return "None" if found is None else f"a {type(found).__name__}"
    if is_transformer(found):
        return f"{article(found.kind)} {found.kind} alone, without a detector"
    return f"{article(found.kind)} {short_name(found)}" if is_model(found) else not_converted(found)


def width_of(steps):
    """Features that the first step was fitted on."""
    for step in _flat(steps):
        a = Attributes(step)
        if step.kind == "PyOD MAD":
            return 1
        for name in ("n_features_in_", "_n_features", "n_input_features_"):
            if a.has(name):
                return int(a.number(name))
        if step.kind == "FeatureUnion":
            return width_of([inner for _, inner in a.list("transformer_list") if isinstance(inner, Estimator)])
        for name in ("scale_", "center_", "mean_", "location_", "scores_", "variances_", "support_", "statistics_"):
            if isinstance(a.get(name), Array):
                return a.get(name).shape[0]
        for name in ("components_", "_fit_X", "support_vectors_", "means_", "coef_", "X_train", "selected_components_", "quantiles_"):
            if a.has(name):
                return a.numbers(name, shape=(None, None)).shape[1]
        if a.has("n_features_"):
            return int(a.number("n_features_"))
        for name in ("detector_", "neigh_", "kde_", "scaler_"):
            if isinstance(a.get(name), Estimator):
                return width_of([a.get(name)])
        for name in ("bin_edges_", "lambdas_"):
            values = a.get(name)
            if isinstance(values, list):
                return len(values)
            if isinstance(values, Array):
                return values.shape[-1]
    raise Refused(f"{article(steps[0].kind)} {steps[0].kind} that was never fitted")


def _features(steps, width, *others):
    """Names of the columns the model was fitted on, where they name features of a window."""
    names = next((a for a in (step.attributes.get("feature_names_in_") for step in steps) if a is not None), None)
    said = [texts for texts in map(texts_in, (names, *others)) if texts is not None]
    for candidate in said:
        # Columns often begin with a capital, as those of ML.NET do (scoring/model-ports.ts).
        features = tuple(name.lower() for name in candidate)
        if len(features) == width and all(map(FEATURE.fullmatch, features)):
            return features
    if width == 1:
        return ("mean",)
    if others[-1]:
        raise Refused(f"a model of {width} features, where {len(others[-1])} {'is' if len(others[-1]) == 1 else 'are'} given ({','.join(others[-1])})")
    columns = f"; its columns are called {', '.join(said[0][:12])}" if said and not others[-1] else ""
    raise Refused(
        f"a model of {width} features that does not say which{columns} (give --features mean,min,... in the order of its columns, or a "
        f"column Features in manifest.csv, or fit it on a DataFrame whose columns are named after features of a window: mean, min, max, last, "
        f"count or mean[-1])"
    )
