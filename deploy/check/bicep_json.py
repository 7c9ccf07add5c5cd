"""Bicep files as JSON: one object with the syntax tree of each, or the error. usage: bicep_json.py FILE..."""
import json
import pathlib
import sys

import pycep

out = {}
for name in sys.argv[1:]:
    try:
        out[name] = {"tree": pycep.BicepParser().parse(file_path=pathlib.Path(name))}
    except Exception as error:  # the parser raises several kinds
        out[name] = {"error": str(error).split("Expected one of")[0].strip()}
json.dump(out, sys.stdout, default=str)
