"""A small draw of random models: all are right, and a wrong export is noticed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Runs the script with a bug in what is exported: the first output has the wrong sign.
WRONG = """
from onnx import helper
from scripts import random_models as script

right = script.to_onnx

def wrong(graph):
    model = right(graph)
    name = model.graph.output[0].name
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["right" if each == name else each for each in names]
    model.graph.node.append(helper.make_node("Neg", ["right"], [name]))
    return model

script.to_onnx = wrong
raise SystemExit(script.main())
"""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_random_models_are_right() -> None:
    done = run("scripts/random_models.py", "--count", "6", "--samples", "8")
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, summary = done.stdout.splitlines()
    assert lines == []
    assert summary.startswith("6 models: ")


def test_a_wrong_export_is_noticed() -> None:
    done = run("-c", WRONG, "--count", "1", "--samples", "8")
    assert done.returncode == 1, done.stderr
    first, summary = done.stdout.splitlines()
    assert first.startswith("seed 0\tDIFFERS: ")
    assert summary == "1 models: 1 DIFFERS"


#: Prints the classes that random models lack, and those of which it is said without reason.
LACKING = """
import os
os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
import tensorflow as tf
from tensorflow.python.ops import array_ops
from tensorflow.python.util import nest
array_ops.stack, array_ops.unstack = tf.stack, tf.unstack
nest.is_sequence = nest.is_nested
from qconvert.frontend.layers import LAYERS
from scripts.randomized.coverage import EXCEPTIONS, classes

own = {name for name in LAYERS if not name.startswith("keras.ops.")}
found = classes()
print(sorted(own - found - EXCEPTIONS.keys()))
print(sorted(EXCEPTIONS.keys() & found), sorted(EXCEPTIONS.keys() - own))
"""


def test_every_layer_that_can_be_converted_is_drawn() -> None:
    done = run("-W", "ignore", "-c", LACKING)
    assert done.stdout.splitlines() == ["[]", "[] []"], done.stdout + done.stderr
