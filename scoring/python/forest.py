"""An IsolationForest as one TreeEnsemble of ONNX: a graph that loads in milliseconds, where an operator or more
for every tree takes seconds.

sklearn/ensemble/_iforest.py: rows become single precision, a row goes left where x <= threshold in double, and
the depth of a leaf is its distance from the root plus the average path length of the rows that ended there.
"""

import numpy as np

from attributes import Attributes, article
from plain_objects import Array, Estimator, Refused

LEAF = -1
FLOAT, DOUBLE = 1, 11


def isolation_depths(g, x, width, forest: Attributes):
    """Depths of a row summed over the trees [N, 1], and what they are divided by."""
    trees = [_nodes_of(tree, forest.kind) for tree in forest.list("estimators_")]
    if not trees:
        raise Refused("an IsolationForest without trees")
    features = forest.get("estimators_features_")
    features = features.objects() if isinstance(features, Array) and features.objects() else features
    columns = [_columns(features, at, width) for at in range(len(trees))]
    samples = forest.number("_max_samples", "max_samples_")
    divisor = len(trees) * float(average_path_length(np.array([samples]))[0])
    if divisor == 0:
        raise Refused("an IsolationForest of samples of one row")
    single = g.op("Cast", g.op("Cast", x, to=FLOAT), to=DOUBLE)
    return _ensemble(g, single, trees, columns), divisor


def average_path_length(rows):
    """c(n) of Liu, Ting and Zhou, Isolation Forest (2008), as _average_path_length computes it."""
    rows = np.asarray(rows, np.float64)
    many = np.maximum(rows, 3)
    lengths = 2.0 * (np.log(many - 1.0) + np.euler_gamma) - 2.0 * (many - 1.0) / many
    return np.where(rows <= 1, 0.0, np.where(rows == 2, 1.0, lengths))


def _nodes_of(tree, kind):
    tree = tree.attributes.get("tree_") if isinstance(tree, Estimator) else None
    nodes = tree.attributes.get("nodes") if isinstance(tree, Estimator) else None
    if not isinstance(nodes, Array):
        raise Refused(f"{article(kind)} {kind} whose trees have no nodes")
    nodes = nodes.raw().reshape(-1)
    needed = {"left_child", "right_child", "feature", "threshold", "n_node_samples"}
    if not nodes.dtype.names or not needed <= set(nodes.dtype.names):
        raise Refused(f"{article(kind)} {kind} whose trees have nodes of another form")
    left, right = nodes["left_child"].astype(np.int64), nodes["right_child"].astype(np.int64)
    inner = left != LEAF
    # Children come after their parent: no loops, and every node is reached from the root.
    at = np.arange(len(nodes))
    sound = len(nodes) and (left[inner] > at[inner]).all() and (right[inner] > at[inner]).all()
    if not sound or max(left.max(), right.max()) >= len(nodes) or not np.isfinite(nodes["threshold"][inner]).all():
        raise Refused(f"{article(kind)} {kind} whose trees are damaged")
    return nodes


def _columns(features, at, width):
    """Columns of the row that tree `at` looks at."""
    if features is None:
        return np.arange(width)
    part = features[at] if isinstance(features, list) else features.raw()[at]
    part = part.raw() if isinstance(part, Array) else np.asarray(part)
    columns = part.astype(np.int64).reshape(-1)
    if ((columns < 0) | (columns >= width)).any():
        raise Refused("an IsolationForest of other features than its scaler")
    return columns


def _depths(nodes):
    """Of every node, the root 0."""
    depth = np.zeros(len(nodes))
    for at, (left, right) in enumerate(zip(nodes["left_child"].tolist(), nodes["right_child"].tolist())):
        if left != LEAF:
            depth[left] = depth[right] = depth[at] + 1
    return depth


def _ensemble(g, x, trees, columns):
    """ai.onnx.ml 5 TreeEnsemble: inner nodes and leaves are numbered apart, over all trees."""
    roots, feature, split, missing, child = [], [], [], [], {True: ([], []), False: ([], [])}
    weights, constant = [], 0.0
    for nodes, used in zip(trees, columns):
        inner = nodes["left_child"] != LEAF
        leaf_depth = _depths(nodes) + average_path_length(nodes["n_node_samples"])
        if not inner[0]:  # all rows end in the root
            constant += float(leaf_depth[0])
            continue
        number = np.where(inner, np.cumsum(inner) - 1 + len(split), np.cumsum(~inner) - 1 + len(weights))
        roots.append(len(split))
        if (nodes["feature"][inner] >= len(used)).any():
            raise Refused("an IsolationForest whose trees look at more features than it has")
        feature.extend(used[nodes["feature"][inner]].tolist())
        split.extend(nodes["threshold"][inner].tolist())
        missing.extend(nodes["missing_go_to_left"][inner].astype(int).tolist() if "missing_go_to_left" in nodes.dtype.names else np.zeros(inner.sum(), int).tolist())
        weights.extend(leaf_depth[~inner].tolist())
        for side, name in ((True, "left_child"), (False, "right_child")):
            target = nodes[name][inner]
            child[side][0].extend(number[target].tolist())
            child[side][1].extend((~inner[target]).astype(int).tolist())
    if not roots:
        return g.op("Add", g.op("Mul", g.column(x, 0), 0.0), constant)
    # Windows are numbers: only a step before can make a value that is none, such as the logarithm of a negative one.
    ways = {"nodes_missing_value_tracks_true": missing} if g.may_be_nan and any(missing) else {}
    depth = g.op("TreeEnsemble", x, domain="ai.onnx.ml", **_tree_attributes(roots, feature, split, child, weights), **ways)
    return g.op("Add", depth, constant) if constant else depth


def _tree_attributes(roots, feature, split, child, weights):
    from onnx import numpy_helper

    def tensor(values, dtype):
        return numpy_helper.from_array(np.asarray(values, dtype), "")

    return {
        "aggregate_function": 1,  # sum
        "post_transform": 0,
        "n_targets": 1,
        "tree_roots": roots,
        "nodes_featureids": feature,
        "nodes_modes": tensor(np.zeros(len(split)), np.uint8),  # <=
        "nodes_splits": tensor(split, np.float64),
        "nodes_truenodeids": child[True][0],
        "nodes_trueleafs": child[True][1],
        "nodes_falsenodeids": child[False][0],
        "nodes_falseleafs": child[False][1],
        "leaf_targetids": [0] * len(weights),
        "leaf_weights": tensor(weights, np.float64),
    }
