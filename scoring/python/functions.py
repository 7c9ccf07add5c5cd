"""Functions of NumPy that a FunctionTransformer may apply, as operators: known by their names, never called."""

import math


def _expm1(g, x):
    # 2 tanh(x/2) / (1 - tanh(x/2)): no digits are lost near zero.
    half = g.op("Tanh", g.op("Mul", x, 0.5))
    near = g.op("Div", g.op("Mul", half, 2.0), g.op("Sub", 1.0, half))
    return g.op("Where", g.op("Less", g.op("Abs", x), 0.5), near, g.op("Sub", g.op("Exp", x), 1.0))


def _cbrt(g, x):
    root = g.op("Mul", g.op("Sign", x), g.op("Pow", g.op("Abs", x), 1 / 3))
    # One step of Newton takes away what 1/3 lacks; 0 stays 0.
    square = g.op("Max", g.square(root), 5e-324)
    return g.op("Sub", root, g.op("Div", g.op("Sub", g.op("Mul", g.square(root), root), x), g.op("Mul", square, 3.0)))


# Those that have no value for some numbers.
PARTIAL = ("log1p", "log", "log10", "log2", "sqrt")
APPLIED = {
    "log1p": lambda g, x: g.op("Log", g.op("Add", x, 1.0)),
    "log": lambda g, x: g.op("Log", x),
    "log10": lambda g, x: g.op("Div", g.op("Log", x), math.log(10)),
    "log2": lambda g, x: g.op("Div", g.op("Log", x), math.log(2)),
    "sqrt": lambda g, x: g.op("Sqrt", x),
    "square": lambda g, x: g.square(x),
    "absolute": lambda g, x: g.op("Abs", x),
    "exp": lambda g, x: g.op("Exp", x),
    "expm1": _expm1,
    "cbrt": _cbrt,
    "tanh": lambda g, x: g.op("Tanh", x),
    "sign": lambda g, x: g.op("Sign", x),
    "negative": lambda g, x: g.op("Neg", x),
    "reciprocal": lambda g, x: g.op("Div", 1.0, x),
    "nan_to_num": lambda g, x: x,
}
