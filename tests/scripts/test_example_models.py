"""Some of QKeras's own networks become what is stated of them, and what is not is noticed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: One of each kind; CONTRIBUTING.md says how to check all.
SOME = (
    "mnist_pruned_layers",
    "cifar10_po2",
    "mobile",
    "octaves",
    "converted_and_folded",
    "merged",
    "codebook",
    "unfolded",
    "folded_with_bias_of_accumulator",
    "bernoulli",
    "halfway",
    "pooling",
    "transposed",
    "binary_lstm",
    "gru_both_ways",
)
#: Runs the script three times in one process, for TensorFlow takes long to start: as it is; with a
#: bug in what is exported, whose first output has the wrong sign; and with untrue statements.
RUNS = """
import contextlib, io, json, sys
from dataclasses import replace
from onnx import helper
from scripts import example_models as script

def ran(*names):
    printed, sys.argv = io.StringIO(), ["example_models.py", *names]
    with contextlib.redirect_stdout(printed):
        code = script.main()
    return code, printed.getvalue()

right = script.qconvert.export

def wrong(path):
    exported = right(path)
    graph = exported.model.graph
    name = graph.output[0].name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = ["right" if each == name else each for each in names]
    graph.node.append(helper.make_node("Neg", ["right"], [name]))
    return exported

CHANGES = {
    "two_bits": {"refused": "two bits"},
    "pooling": {"impossible": "average"},
    "bernoulli": {"refused": "no such thing"},
    "scale_of_the_batch": {"refused": ""},
    "octaves": {"impossible": "no such thing"},
    "fused_by_inverse": {"impossible": ""},
    "scales": {"rounds": ()},
    "leaky": {"rounds": ("absent",)},
}

found = [ran(*sys.argv[1:])]
script.qconvert.export = wrong
found.append(ran("two_bits"))
script.qconvert.export = right
script.EXAMPLES = [
    replace(e, **CHANGES[e.name]) for e in script.EXAMPLES if e.name in CHANGES
]
found.append(ran())
print(json.dumps(found))
"""


class Run(NamedTuple):
    code: int
    printed: str


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    """As it is, with a wrong export, with wrong statements."""
    done = subprocess.run(
        [sys.executable, "-c", RUNS, *SOME], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [Run(*each) for each in json.loads(done.stdout.splitlines()[-1])]


def test_examples_become_what_is_stated(runs: list[Run]) -> None:
    assert runs[0].code == 0, runs[0].printed
    assert runs[0].printed.endswith(f"{len(SOME)} models, 0 not as stated\n")


def test_a_wrong_export_is_noticed(runs: list[Run]) -> None:
    assert runs[1].code == 1
    assert "NOT AS STATED: the verdict is DIFFERS" in runs[1].printed


def test_each_wrong_statement_is_noticed(runs: list[Run]) -> None:
    assert runs[2].code == 1
    assert runs[2].printed.endswith("8 models, 8 not as stated\n")
