"""Features of a window, by name (scoring/features.ts)."""

import re

FEATURE = re.compile(r"(mean|min|max|last|count)(\[-[1-9]\d?\])?")
EXPECTED = "mean, min, max, last or count, or one of an earlier window such as mean[-1]"


def unknown_of(names):
    """What is wrong with names that somebody gave; None when nothing is."""
    name = next((name for name in names if not FEATURE.fullmatch(name)), None)
    return None if name is None else f"{name!r} is not a feature of a window; expected {EXPECTED}"
