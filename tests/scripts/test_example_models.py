"""Some of QKeras's own networks become what is stated of them, and what is not is noticed."""

import subprocess
import sys
from pathlib import Path

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
#: Runs the script with a bug in what is exported: the first output has the wrong sign.
WRONG_EXPORT = """
from onnx import helper
from scripts import example_models as script

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

script.qconvert.export = wrong
raise SystemExit(script.main())
"""
#: Runs the script with statements that are not true.
WRONG_STATEMENTS = """
from dataclasses import replace
from scripts import example_models as script

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
script.EXAMPLES = [
    replace(e, **CHANGES[e.name]) for e in script.EXAMPLES if e.name in CHANGES
]
raise SystemExit(script.main())
"""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_examples_become_what_is_stated() -> None:
    done = run("scripts/example_models.py", *SOME)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"{len(SOME)} models, 0 not as stated\n")


def test_a_wrong_export_is_noticed() -> None:
    done = run("-c", WRONG_EXPORT, "two_bits")
    assert done.returncode == 1, done.stderr
    assert "NOT AS STATED: the verdict is DIFFERS" in done.stdout


def test_each_wrong_statement_is_noticed() -> None:
    done = run("-c", WRONG_STATEMENTS)
    assert done.returncode == 1, done.stderr
    assert done.stdout.endswith("8 models, 8 not as stated\n")
