"""Whether a report that was read can be that of a check: what is drawn of it relies on that."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Final

from qconvert.checking.distribution import BINS, MAP, Distribution, ErrorMap, Histogram
from qconvert.checking.results import Finding, Report, Verdict
from qconvert.ir import Grid

#: Names of whole numbers that count nothing: of bins, grids, and moves in a file.
_SIGNED: Final = frozenset({"first", "exp", "lo", "hi", "ulps"})
_DIGESTS: Final = frozenset({"sha256", "inputs_sha256"})
_SHA256: Final = re.compile("[0-9a-f]{64}")
#: Of widths of bins and steps of grids: more than float32 has, and float64 computes with them.
_EXPONENTS: Final = range(-400, 401)
#: Numbers of bins and codes.
_NUMBERS: Final = range(-(1 << 41), (1 << 41) + 1)


def implausible(report: Report) -> Iterator[str]:
    """What in the report is no number, no distribution, or of what it does not have."""
    names = Counter(layer.name for layer in report.layers)
    yield from _impossible(report, "report")
    yield from _unknown_witnesses(report)
    yield from _unfounded(report)
    yield from (f"{n} layers are called {name!r:.80}" for name, n in names.items() if n > 1)
    yield from (
        f"the weight {weight.role!r} is of no layer that there is: {weight.layer!r}"
        for weight in report.weights
        if weight.layer not in names
    )
    for layer in report.layers:
        if not names.keys() >= {*layer.sources, *layer.finding.inherited_from}:
            yield f"{layer.name!r} follows layers that there are not"
        if layer.results is not None and not _is_distribution(layer.results):
            yield f"the results of {layer.name!r} are distributed as no numbers are"
        if layer.errors is not None and not _is_map(layer.errors):
            yield f"the errors of {layer.name!r} make no map"
    for weight in report.weights:
        for found in (weight.raw, weight.effective):
            if found is not None and not _is_distribution(found):
                name = f"{weight.layer}/{weight.role}"
                yield f"the numbers of {name!r} are distributed as no numbers are"


def _impossible(value: object, name: str) -> Iterator[str]:
    """Counts below zero, and digests that are none, of *value*, which is called *name*."""
    if is_dataclass(value):
        for field in fields(value):
            yield from _impossible(getattr(value, field.name), field.name)
    elif isinstance(value, tuple):
        for each in value:
            yield from _impossible(each, name)
    elif type(value) is int and value < 0 and name not in _SIGNED:
        yield f"{name!r} is {value}, and counts something"
    elif isinstance(value, str) and name in _DIGESTS and not _SHA256.fullmatch(value):
        yield f"{name!r} is no SHA-256: {value!r:.80}"


def _unknown_witnesses(report: Report) -> Iterator[str]:
    known = {result.witness for result in report.witnesses}
    findings = [(layer.name, layer.finding) for layer in report.layers]
    findings += [(output.name, output.finding) for output in report.outputs]
    for name, finding in findings:
        if any(not known.issuperset(each.witnesses) for each in finding.comparisons):
            yield (f"{name!r} was compared by witnesses that there are not")


def _unfounded(report: Report) -> Iterator[str]:
    """Verdicts that what was compared denies, or a proof that there is not."""
    for layer in report.layers:
        if layer.finding.verdict is Verdict.PROVEN and layer.finding.proof is None:
            yield f"the layer {layer.name!r} is PROVEN by nothing"
        if not _is_founded(layer.finding):
            yield f"the layer {layer.name!r} is {layer.finding.verdict.value}, and differs"
    for output in report.outputs:
        unequal = output.finding.verdict is Verdict.PROVEN and not output.finding.equal
        if unequal or not _is_founded(output.finding):
            yield f"the output {output.name!r} is {output.finding.verdict.value}, and differs"
    for weight in report.weights:
        differing = weight.difference.differing or (weight.stored and weight.stored.differing)
        if weight.verdict is Verdict.PROVEN and differing:
            yield f"the weight {weight.layer}/{weight.role} is PROVEN, and differs"


def _is_founded(finding: Finding) -> bool:
    """Whether a verdict that passes has nothing that differs beyond rounding."""
    beyond = any(one.difference.beyond for one in finding.comparisons)
    return not (finding.verdict.passes and beyond)


def _is_distribution(found: Distribution) -> bool:
    parts = (found.zeros, found.lowest, found.highest, found.outside, sum(found.histogram.counts))
    within = min(parts) >= 0 and max(parts) <= found.elements
    on_grid = found.grid is None or _is_grid(found.grid)
    return within and on_grid and _is_histogram(found.histogram)


def _is_histogram(found: Histogram) -> bool:
    within = found.first in _NUMBERS and found.exp in _EXPONENTS
    return within and len(found.counts) <= BINS and min(found.counts, default=0) >= 0


def _is_grid(grid: Grid) -> bool:
    within = grid.lo in _NUMBERS and grid.hi in _NUMBERS and grid.exp in _EXPONENTS
    return within and grid.lo <= grid.hi


def _is_map(errors: ErrorMap) -> bool:
    """Counts that are as many as it has cells, and that an array of integers holds."""
    sizes, counts = (errors.rows, errors.columns), (*errors.places, *errors.channels)
    whole = all(1 <= size <= MAP for size in sizes) and len(errors.places) == math.prod(sizes)
    return whole and 1 <= len(errors.channels) <= MAP and 0 <= min(counts) <= sum(counts) < 1 << 63
