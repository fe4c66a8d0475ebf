"""Certificates are not refuted where they are right, and are where a rule is made unsound."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from qconvert.exactness import linear, quantizers, reach
from qconvert.exactness.linear import Sums
from qconvert.exactness.reach import Ints, Reach
from qconvert.ir import F32, Op
from qconvert.ir.ops import BatchNormalization, Elementwise, Opaque, Softmax
from qconvert.ir.stock import JointSoftmax, LayerNormalization, Power, UnitNormalize
from scripts.certified import drawing, runtimes
from scripts.certified.converse import differences
from scripts.certified.drawing import random_layer
from scripts.certified.examine import Tally, counterexample, examined
from scripts.certified.layer import Small
from scripts.certified.runtimes import Results

ROOT = Path(__file__).resolve().parents[2]


def tried(count: int) -> Tally:
    return examined(range(count), with_tensorflow=False)


def test_no_certificate_is_refuted() -> None:
    tally = tried(200)
    assert tally.counterexamples == []
    assert tally.certified.total() > 150 and tally.refused.total() > 5
    assert tally.bits["24 bits"] + tally.bits["2**24"] > 20
    assert {"fused", "ONNX Runtime", "ONNX Runtime, optimized"} < tally.evaluations.keys()


def test_a_bound_of_25_bits_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (reach, linear, quantizers):
        monkeypatch.setattr(module, "LARGEST_EXACT", 1 << 25)
    assert tried(100).counterexamples


def test_partial_sums_without_the_bias_are_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    right = linear._plus

    def unsound(sums: Sums, bias: Reach) -> Sums:
        whole = right(sums, bias)
        codes = (bias.lo << (bias.exp - whole.exp).clip(0)) * (bias.lo != 0)
        positive, negative = np.maximum(codes, 0), np.maximum(-codes, 0)
        return Sums(
            whole.lo, whole.hi, whole.positive - positive, whole.negative - negative, whole.exp
        )

    monkeypatch.setattr(linear, "_plus", unsound)
    assert tried(100).counterexamples


def test_an_interval_of_results_in_place_of_partial_sums_is_refuted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = linear._products

    def unsound(x: Reach, kernel: F32) -> Sums:
        sums = right(x, kernel)
        ends: tuple[Ints, Ints] = np.maximum(sums.hi, 0), np.maximum(-sums.lo, 0)
        return Sums(sums.lo, sums.hi, *ends, sums.exp)

    monkeypatch.setattr(linear, "_products", unsound)
    monkeypatch.setattr(drawing, "KINDS", {"Dense": drawing.KINDS["Dense"]})
    found = tried(100).counterexamples
    assert any(" main, positive terms first: " in each for each in found)


def test_padding_without_zeros_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "KINDS", {"Conv": drawing.KINDS["Conv"]})
    monkeypatch.setattr(linear, "with_zero", lambda x: x)
    assert any(" main is not within " in each for each in tried(100).counterexamples)


def test_a_quantizer_without_a_bound_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "KINDS", {"Quantizer": drawing.KINDS["Quantizer"]})
    assert tried(200).counterexamples == []
    monkeypatch.setattr(quantizers, "_without_residue", lambda x, exp: quantizers._clipped(x))
    assert any(" main, reference: " in each for each in tried(200).counterexamples)


def test_a_runtime_that_rounds_otherwise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    right = runtimes.onnx_runtime

    def unlike(
        layers: Sequence[Small], inputs: Mapping[int, Mapping[str, F32]]
    ) -> dict[str, Results]:
        results = right(layers, inputs)
        last = layers[-1].seed
        changed = np.nextafter(results["ONNX Runtime"][last], np.float32(np.inf))
        return results | {"ONNX Runtime": {**results["ONNX Runtime"], last: changed}}

    monkeypatch.setattr(runtimes, "onnx_runtime", unlike)
    (found,) = tried(20).counterexamples
    assert "): ONNX Runtime: " in found.splitlines()[0]


def test_sums_beyond_the_bound_are_seen_to_depend_on_the_order() -> None:
    found = differences(range(50))
    assert found.layers == 50
    assert found.exhibited > 25
    assert all(count <= 50 for count in found.pairs.values())


def test_a_layer_is_drawn_alike_from_its_seed() -> None:
    first, second = (counterexample(random_layer(7), "", None) for _ in range(2))
    assert first == second


#: Of these no certificate is given.
NEVER_CERTIFIED = {
    BatchNormalization,
    Elementwise,
    JointSoftmax,
    LayerNormalization,
    Opaque,
    Power,
    Softmax,
    UnitNormalize,
}


def test_every_op_that_can_be_certified_is_drawn() -> None:
    drawn = {type(node.op) for seed in range(2000) for node in random_layer(seed).graph.nodes}
    assert drawn == set(get_args(Op)) - NEVER_CERTIFIED


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "scripts/soundness.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_prints_what_it_tried() -> None:
    done = run("--count", "60", "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first.endswith(" not") and " layers certified, " in first
    assert last == "0 counterexamples"


def test_tensorflow_and_qkeras_are_tried() -> None:
    done = run("--count", "60", "--tensorflow")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  TensorFlow\n") == done.stdout.count("  QKeras\n") == 1


def test_the_script_prints_where_programs_differ() -> None:
    done = run("--converse", "--count", "30")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "with an input for which two programs differ" in done.stdout


#: Runs the script with a bound of 25 bits.
UNSOUND = """
from qconvert.exactness import linear, reach
from scripts import soundness

linear.LARGEST_EXACT = reach.LARGEST_EXACT = 1 << 25
raise SystemExit(soundness.main())
"""


def test_a_counterexample_is_printed_in_full_and_fails() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNSOUND, "--count", "100"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("COUNTEREXAMPLE seed ")
    assert "Certificate(" in done.stdout and " on Grid(" in done.stdout
