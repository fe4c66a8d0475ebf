"""What a report says, in words: not yet made safe for the place where they are shown."""

import math
from typing import Final

from qconvert.amounts import amount
from qconvert.checking.compare import Difference
from qconvert.checking.grounds import Bound
from qconvert.checking.ignored import needlessly_ignored
from qconvert.checking.repair.moves import Unrepaired
from qconvert.checking.results import (
    Comparison,
    Finding,
    LayerResult,
    OutputResult,
    Report,
    Verdict,
    WeightResult,
)
from qconvert.checking.weights import FOLDED

_MOST_ULP: Final = 1 << 16
#: Names in a sentence; of more it is told how many there are.
_NAMES: Final = 3


def why(finding: Finding) -> str:
    """Why a verdict is what it is, or what is known at all."""
    if finding.verdict is Verdict.PROVEN or not finding.reason:
        return _argument(finding)
    return "; ".join(filter(None, (finding.reason, _bound(finding.bound))))


def differing(difference: Difference) -> str:
    """How many of how many elements differ."""
    return f"{difference.differing} of {difference.elements}"


def _argument(finding: Finding) -> str:
    """Why it is proven, or what stands in the way, and what is known instead."""
    if finding.proof is None:
        return "; ".join(part for part in (finding.doubt, _bound(finding.bound)) if part)
    bits, states = finding.proof.bits, finding.proof.states
    told = ", ".join(finding.proof.arguments)
    if states:
        told += f": {finding.proof.near} of {states} states"
    if finding.proof.numbers:
        told += f": {finding.proof.numbers} numbers tried"
    return told if bits is None else f"{told}: {bits} of 24 bits"


def _bound(bound: Bound | None) -> str:
    if bound is None or not bound.largest:
        return ""
    size = f"{bound.largest:.3g}" if bound.steps is None else _count(bound.steps, "step")
    told = f"off by {size} at most"
    if bound.example is None:
        return told
    numbers = " and ".join(f"{name} is {value:g}" for name, value in bound.example.values)
    where = f"as where {numbers} in channel {bound.example.channel}"
    return f"{told}, in {bound.near} of {bound.states} states, {where}"


def seen(finding: Finding) -> tuple[str, str]:
    """How many elements differ, and by how much at most; nothing where nothing was compared."""
    worst, farthest = finding.worst, finding.farthest
    if worst is None or farthest is None:
        return "", ""
    return differing(worst.difference), largest(farthest)


def largest(comparison: Comparison) -> str:
    """By how much at most, in steps of the layer's quantizer if it has one."""
    difference = comparison.difference
    if not difference.differing:
        return ""
    if comparison.largest_steps is not None:
        return _count(comparison.largest_steps, "step")
    if difference.largest_ulp > _MOST_ULP:
        # Beside a number next to 0 the count says nothing.
        return f"{difference.largest:.3g}"
    return f"{difference.largest:.3g} ({_count(difference.largest_ulp, 'ulp', 'ulp')})"


def _count(number: float, one: str, many: str | None = None) -> str:
    return f"{number:g} {one if number == 1 else many or one + 's'}"


def elements_that_differ(difference: Difference) -> str:
    """How many elements differ."""
    return f"{differing(difference)} elements differ"


def of_weight(weight: WeightResult) -> str:
    """What was found of a weight."""
    if weight.stored is not None and weight.stored.differing:
        return _of_file(weight.stored)
    match weight.verdict:
        case Verdict.UNCHECKED:
            return "no counterpart in QKeras"
        case Verdict.BOUNDED:
            return f"{elements_that_differ(weight.difference)}: {FOLDED}"
        case _:
            return elements_that_differ(weight.difference)


def _of_file(found: Difference) -> str:
    """The weight in the file; NaN stands for a number that is no more there by itself."""
    first = found.first
    if first is None or not first.values:
        return f"{elements_that_differ(found)} in the ONNX file"
    (_, ours), (_, theirs) = first.values
    place = f"first at {list(first.index)}"
    if math.isnan(theirs):
        hidden = "are part of other numbers in the ONNX file, which are wrong"
        return f"{differing(found)} {hidden}; {place}"
    told = f"{elements_that_differ(found)} in the ONNX file"
    return f"{told}; {place}: {theirs:.9g} in place of {ours:.9g}"


def of_not_found(report: Report) -> str:
    """Which layers a file that was read by value does not show."""
    names = ", ".join(report.not_found)
    return (
        f"{len(report.not_found)} of {len(report.layers)} layers were not found in the file, "
        f"so that the verdict rests on what is behind them, in the end the outputs: {names}"
    )


def missing(report: Report) -> tuple[str, ...]:
    """Of what there was none to compare, so that nothing is known."""
    parts = (("samples", report.samples), ("outputs", report.outputs))
    return tuple(name for name, found in parts if not found)


def of_unrepaired(one: Unrepaired) -> str:
    """Where codes flip that no constants make TensorFlow's."""
    numbers = " and ".join(f"{name} is {value:.9g}" for name, value in one.example)
    flips = f"codes flip in {_count(one.states, 'state')}, as where {numbers}"
    return f"{one.layer}, channel {one.channel}: {flips}; {one.reason}"


def not_compared(report: Report) -> str:
    """What makes the verdict `Verdict.UNCHECKED`; empty if something else is the verdict."""
    if report.verdict is not Verdict.UNCHECKED:
        return ""
    lost = ", ".join(result.witness.value for result in report.failed)
    found = (
        lost and f"{lost} did not run",
        *(f"no {name} were compared" for name in missing(report)),
        _shown(_beyond(report, Verdict.SAMPLED)),
    )
    return "; ".join(filter(None, found))


def short_of(report: Report) -> str:
    """What is required and not known; empty if the report passes, or differs anyway."""
    if report.passed or not report.verdict.passes:
        return ""
    names = _shown(_beyond(report, report.required))
    return f"{report.required.value} is required{names and f', which is not known of {names}'}"


def _beyond(report: Report, least: Verdict) -> list[str]:
    """What counts and of which less than *least* is known."""
    found = (name for name, verdict in report.counted if verdict.is_weaker_than(least))
    return list(dict.fromkeys(found))


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if names[_NAMES:] else ""
    return f"{', '.join(names[:_NAMES])}{more}" if names else ""


def _of_weights(report: Report) -> str:
    count = len(report.weights)
    if count and all(weight.verdict is Verdict.UNCHECKED for weight in report.weights):
        one = "the effective weight was" if count == 1 else f"the {count} effective weights were"
        return f"{one} not compared with QKeras's"
    compared = [w for w in report.weights if w.verdict is not Verdict.UNCHECKED]
    exact = sum(not weight.difference.differing for weight in compared)
    equal = f"{exact} of {count} effective weights equal QKeras's"
    if report.by_value is not None:
        return f"{equal}; those of the file are not read"
    stored = [weight.stored for weight in report.weights if weight.stored is not None]
    in_file = sum(not found.differing for found in stored)
    return f"{equal}, {in_file} of {len(stored)} found in the file equal these"


def assumptions(report: Report) -> dict[str, str]:
    """What the proofs assume, each with the first layer that needs it."""
    first: dict[str, str] = {}
    for layer in report.layers:
        for text in layer.finding.proof.assumptions if layer.finding.proof else ():
            first.setdefault(text, layer.name)
    return first


def conditions(report: Report) -> dict[str, str]:
    """What has to hold where the file runs, each with the first layer, or output, that needs it."""
    first: dict[str, str] = {}
    results: tuple[LayerResult | OutputResult, ...] = (*report.layers, *report.outputs)
    for result in results:
        for text in result.finding.conditions:
            first.setdefault(text, result.name)
    return first


def of_ignored(report: Report) -> dict[str, str]:
    """What to say of each layer that does not count."""
    needless = set(needlessly_ignored(report))
    return {
        name: f"ignored, which is not needed any more: {reason}"
        if name in needless
        else f"ignored: {reason}"
        for name, reason in report.ignored
    }


def summary(report: Report) -> str:
    """Everything in one line."""
    counts = dict.fromkeys(Verdict, 0)
    for layer in report.layers:
        counts[layer.finding.verdict] += 1
    of_layers = ", ".join(f"{n} {verdict.value}" for verdict, n in counts.items() if n)
    return (
        f"{report.verdict.value}: {amount(len(report.layers), 'layer')} ({of_layers or 'none'}) "
        f"on {amount(report.samples, 'sample')}; {_of_weights(report)}{_count_of_ignored(report)}"
    )


def _count_of_ignored(report: Report) -> str:
    return f"; {len(report.ignored)} ignored" if report.ignored else ""


def files(report: Report) -> str:
    """The model and the ONNX file."""
    onnx = report.onnx.path or "exported to memory"
    return f"{report.model.path or 'in memory'}, ONNX file {onnx}"


def provenance(report: Report) -> dict[str, str]:
    """What the report is about and who took part, so that it belongs to these files alone."""
    environment = report.environment
    versions = {
        result.witness.value: ", ".join(f"{name} {version}" for name, version in result.versions)
        for result in report.witnesses
        if result.versions
    }
    return {
        "verdict": report.verdict.value,
        "required": report.required.value,
        "model": report.model.path or "in memory",
        "model SHA-256": report.model.sha256,
        "ONNX file": report.onnx.path or "exported to memory",
        "ONNX file SHA-256": report.onnx.sha256,
        "inputs": report.inputs,
        "inputs SHA-256": report.inputs_sha256 or "none were read",
        "qconvert": environment.qconvert,
        "Python": environment.python,
        "machine": environment.machine,
        **versions,
    }
