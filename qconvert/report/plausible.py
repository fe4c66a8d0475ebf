"""Whether a report that was read can be that of a check: what is drawn of it relies on that."""

import math
from collections.abc import Iterator
from typing import Final

from qconvert.checking.distribution import BINS, MAP, Distribution, ErrorMap, Histogram
from qconvert.checking.results import Report
from qconvert.ir import Grid

#: Of widths of bins and steps of grids: more than float32 has, and float64 computes with them.
_EXPONENTS: Final = range(-400, 401)
#: Numbers of bins and codes.
_NUMBERS: Final = range(-(1 << 41), (1 << 41) + 1)


def implausible(report: Report) -> Iterator[str]:
    """What in the report is no distribution, no map of errors, or of no layer that it has."""
    names = {layer.name for layer in report.layers}
    for layer in report.layers:
        if not names.issuperset((*layer.sources, *layer.finding.inherited_from)):
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
