"""A small draw of random models: all are right, and a wrong export is noticed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Runs the script twice in one process, for TensorFlow takes long to start: as it is, and with a
#: bug in what is exported, whose first output has the wrong sign. Then lists the classes that
#: random models lack, those that are said to be lacking and are not, and those that do not exist.
RUNS = """
import contextlib, io, json, sys
from onnx import helper
from qconvert.frontend.layers import LAYERS
from scripts import random_models as script
from scripts.randomized.coverage import EXCEPTIONS, classes

def ran(count):
    printed = io.StringIO()
    sys.argv = ["random_models.py", "--count", str(count), "--samples", "8"]
    with contextlib.redirect_stdout(printed):
        code = script.main()
    return code, printed.getvalue().splitlines()

right = script.to_onnx

def wrong(graph):
    model = right(graph)
    name = model.graph.output[0].name
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["right" if each == name else each for each in names]
    model.graph.node.append(helper.make_node("Neg", ["right"], [name]))
    return model

found = {"right": ran(6)}
script.to_onnx = wrong
found["wrong"] = ran(1)
own = {name for name in LAYERS if not name.startswith("keras.ops.")}
drawn = classes()
found["lacking"] = sorted(own - drawn - EXCEPTIONS.keys())
found["excepted"] = sorted(EXCEPTIONS.keys() & drawn), sorted(EXCEPTIONS.keys() - own)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", RUNS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    runs: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return runs


def test_random_models_are_right(found: dict[str, Any]) -> None:
    code, (*lines, summary) = found["right"]
    assert (code, lines) == (0, [])
    assert summary.startswith("6 models: ")


def test_a_wrong_export_is_noticed(found: dict[str, Any]) -> None:
    code, (first, summary) = found["wrong"]
    assert code == 1
    assert first.startswith("seed 0\tDIFFERS: ")
    assert summary == "1 models: 1 DIFFERS"


def test_every_layer_that_can_be_converted_is_drawn(found: dict[str, Any]) -> None:
    assert (found["lacking"], found["excepted"]) == ([], [[], []])
