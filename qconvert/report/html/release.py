"""What a report means for a release, and what it rests on, in words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

from qconvert.checking.compare import PAIRS, Difference
from qconvert.checking.results import Finding, LayerResult, Report, Verdict
from qconvert.checking.witness import Witness
from qconvert.report import words
from qconvert.report.failure import lines_of


@dataclass(frozen=True, slots=True)
class Conclusion:
    """One of ``good``, ``warn`` and ``bad``, a headline, and what follows from it."""

    kind: str
    headline: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Pair:
    """What two witnesses were compared on, over all layers and outputs."""

    witnesses: tuple[Witness, Witness]
    results: int
    elements: int
    differing: int
    beyond: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was not checked, why, and the layers that it is about."""

    what: str
    why: str
    layers: tuple[LayerResult, ...] = ()


_PASSED: Final[Mapping[Verdict, tuple[str, str]]] = {
    Verdict.PROVEN: (
        "Equal for all inputs: proven",
        "For every input of its domain the ONNX file returns what the QKeras model returns, bit for"
        " bit, under what is assumed below.",
    ),
    Verdict.BOUNDED: (
        "Equal but for rounding, which is bounded",
        "From equal inputs every layer returns what correct programs return: the same bits where"
        " it is PROVEN, else numbers within a bound that was derived for all inputs. Bounds of"
        " layers do not add up to one of the output.",
    ),
    Verdict.SAMPLED: (
        "Right on all samples, but not proven",
        "Nothing differs by more than rounding on the samples that were tried. What other inputs"
        " give is not known of what is SAMPLED.",
    ),
}
_NOT_CHECKED: Final = (
    "Something that had to be compared was not, so that this report is no ground to release the"
    " file. What was not checked, and why, stands below."
)


def conclusion(report: Report) -> Conclusion:
    """What the release engineer has to know first."""
    if report.verdict is Verdict.DIFFERS:
        meaning = f"Do not release this file. {_first_difference(report)}"
        return Conclusion("bad", "Results differ", meaning)
    if report.verdict is Verdict.UNCHECKED:
        return Conclusion("warn", "Not everything was checked", _NOT_CHECKED)
    headline, meaning = _PASSED[report.verdict]
    if report.ignored:
        meaning += " Of this, layers that are ignored are not part; they stand below."
    if not report.passed:
        return Conclusion("warn", headline, f"{meaning} This is no pass: {words.short_of(report)}.")
    return Conclusion("good", headline, f"{meaning} It passes: {_required(report)}.")


def _required(report: Report) -> str:
    return f"{report.required.value} is required"


def _first_difference(report: Report) -> str:
    first = report.first_difference
    if first is not None:
        return f"The first layer that differs is {first.name}: {first.finding.reason}."
    found = [
        *(f"output {o.name}: {o.finding.reason}" for o in report.outputs if _differs(o.finding)),
        *(
            f"weight {w.layer}/{w.role}: {words.of_weight(w)}"
            for w in report.weights
            if w.verdict is Verdict.DIFFERS and w.layer not in dict(report.ignored)
        ),
        *(f"{u.layer}, channel {u.channel}: {u.reason}" for u in report.repair.unrepaired),
    ]
    return f"{found[0]}."


def _differs(finding: Finding) -> bool:
    return finding.verdict is Verdict.DIFFERS


def pairs(report: Report) -> Sequence[Pair]:
    """Who was compared with whom, and on how many numbers."""
    found: dict[tuple[Witness, Witness], list[Difference]] = {pair: [] for pair in PAIRS}
    findings = (*(x.finding for x in report.layers), *(x.finding for x in report.outputs))
    for one in (comparison for finding in findings for comparison in finding.comparisons):
        found[one.witnesses].append(one.difference)
    return [
        Pair(pair, len(of), total.elements, total.differing, total.beyond)
        for pair, of in found.items()
        if of
        for total in (reduce(Difference.merge, of),)
    ]


def gaps(report: Report) -> Iterator[Gap]:
    """What was not checked, and why; what is known on samples alone comes last."""
    for witness in report.failed:
        yield Gap(
            f"{witness.witness.value} was not run", "; ".join(lines_of(witness.failure or ""))
        )
    for name in words.missing(report):
        yield Gap("No comparison", f"there were no {name}")
    for name, told in words.of_ignored(report).items():
        yield Gap(f"Layer {name} does not count", told)
    yield from _of_layers("Not compared", report.layers, Verdict.UNCHECKED)
    for output in report.outputs:
        if output.finding.verdict is Verdict.UNCHECKED:
            yield Gap(f"Output {output.name}", output.finding.reason)
    for weight in report.weights:
        if weight.verdict is Verdict.UNCHECKED:
            yield Gap(f"Weight {weight.layer}/{weight.role}", words.of_weight(weight))
    if report.not_found:
        yield Gap("Layers by themselves", words.of_not_found(report))
    foreign = tuple(layer for layer in report.layers if layer.converter)
    if foreign:
        yield Gap("Not computed by NumPy", "another program converted them", foreign)
    for ambiguous in report.ambiguous:
        found = f"{ambiguous.differing} of {ambiguous.elements} elements differ"
        yield Gap(f"TensorFlow's predict at {ambiguous.name}", f"unlike its model(x), {found}")
    yield from _of_layers("Inputs other than the samples", report.layers, Verdict.SAMPLED)
    for output in report.outputs:
        if output.finding.verdict is Verdict.SAMPLED:
            yield Gap(f"Output {output.name}", "compared on the samples alone")


def _of_layers(what: str, layers: Iterable[LayerResult], verdict: Verdict) -> Iterator[Gap]:
    """One gap for each reason that layers have their *verdict* for."""
    by_reason: dict[str, list[LayerResult]] = {}
    for layer in layers:
        if layer.finding.verdict is verdict:
            by_reason.setdefault(words.why(layer.finding), []).append(layer)
    for reason, found in by_reason.items():
        yield Gap(what, reason or "no proof is known for what they compute", tuple(found))
