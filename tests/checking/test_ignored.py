"""Layers that do not count: what the verdict of a model is without them."""

from dataclasses import replace

import pytest

from qconvert.checking.compare import Difference
from qconvert.checking.ignored import needlessly_ignored
from qconvert.checking.results import (
    CheckedFile,
    Environment,
    Finding,
    LayerResult,
    OutputResult,
    Report,
    Verdict,
    WeightResult,
    WitnessResult,
)
from qconvert.checking.witness import Witness


def report(*verdicts: Verdict, output: Verdict = Verdict.SAMPLED) -> Report:
    """Of layers ``a``, ``b`` and so on."""
    layers = tuple(
        LayerResult(chr(ord("a") + i), "QDense", 4, None, Finding(verdict, "", ()))
        for i, verdict in enumerate(verdicts)
    )
    return Report(
        model=CheckedFile("m.h5", "0" * 64),
        onnx=CheckedFile(None, "1" * 64),
        inputs="8 samples",
        samples=8,
        layers=layers,
        weights=(),
        outputs=(OutputResult("y", Finding(output, "", ())),),
        ambiguous=(),
        witnesses=tuple(WitnessResult(witness, (), None) for witness in Witness),
        environment=Environment("0", "3.11", "Linux"),
    )


@pytest.mark.parametrize("verdict", [Verdict.DIFFERS, Verdict.UNCHECKED])
def test_a_layer_that_is_ignored_does_not_count(verdict: Verdict) -> None:
    found = report(Verdict.SAMPLED, verdict)
    assert not found.passed
    ignoring = replace(found, ignored=(("b", "why"),))
    assert (ignoring.verdict, ignoring.passed, ignoring.exit_code) == (Verdict.SAMPLED, True, 0)
    assert needlessly_ignored(ignoring) == ()
    assert ignoring.first_difference is None


def test_another_layer_and_outputs_count_all_the_same() -> None:
    ignored = (("b", "why"),)
    other = replace(report(Verdict.DIFFERS, Verdict.DIFFERS), ignored=ignored)
    assert other.verdict is Verdict.DIFFERS
    assert other.first_difference is not None and other.first_difference.name == "a"
    output = report(Verdict.SAMPLED, Verdict.DIFFERS, output=Verdict.DIFFERS)
    assert replace(output, ignored=ignored).verdict is Verdict.DIFFERS


def test_a_witness_that_failed_is_not_ignored() -> None:
    found = replace(report(Verdict.UNCHECKED), ignored=(("a", "why"),))
    lost = replace(found.witnesses[0], failure="killed")
    found = replace(found, witnesses=(lost, *found.witnesses[1:]))
    assert (found.verdict, found.exit_code) == (Verdict.UNCHECKED, 5)


def test_weights_of_an_ignored_layer_do_not_count_and_make_it_needed() -> None:
    weight = WeightResult("a", "kernel", Verdict.DIFFERS, Difference(4, 1, 1))
    found = replace(report(Verdict.SAMPLED), weights=(weight,))
    assert found.verdict is Verdict.DIFFERS
    ignoring = replace(found, ignored=(("a", "why"),))
    assert ignoring.passed and needlessly_ignored(ignoring) == ()


@pytest.mark.parametrize(
    ("required", "needless"), [(Verdict.SAMPLED, ("a",)), (Verdict.PROVEN, ())]
)
def test_a_layer_that_passes_needs_not_be_ignored(
    required: Verdict, needless: tuple[str, ...]
) -> None:
    found = replace(report(Verdict.SAMPLED), required=required, ignored=(("a", "why"),))
    assert needlessly_ignored(found) == needless
