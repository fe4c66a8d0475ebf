"""Histograms as SVG paths of few bytes: bars over the numbers, ticks where a grid has its codes."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, TypeAlias

from markupsafe import Markup

from qconvert.checking.distribution import Distribution, Histogram
from qconvert.ir import Grid

#: Pixels of a drawing, from edge to edge of what the numbers take.
WIDTH: Final = 320
#: Pixels of the highest bar.
HEIGHT: Final = 56
#: Pixels that a tick is long.
TICK: Final = 4
#: Bars of a histogram whose bins are no codes at most; more cannot be told apart.
_BARS: Final = 32
#: Pixels that two numbers below an axis need.
_LABELS: Final = 100
#: Codes that have a tick each.
_TICKS: Final = 64

#: From where to where a bar reaches, and how many numbers it stands for.
Bar: TypeAlias = tuple[float, float, int]


@dataclass(frozen=True, slots=True)
class Axis:
    """The numbers from ``low`` to ``high`` on `WIDTH` pixels; those to be named are ``named``."""

    low: float
    high: float
    named: tuple[float, float]

    def pixel(self, number: float) -> int:
        """Where a number lies."""
        return round((number - self.low) / (self.high - self.low) * WIDTH)


@dataclass(frozen=True, slots=True)
class WeightFigure:
    """A weight's numbers before and, downwards, after they are quantized, on one axis.

    ``clip`` is where the range of the codes begins and its width, in pixels.
    """

    axis: Axis
    raw: Markup
    effective: Markup
    ticks: Markup
    clip: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class ResultFigure:
    """A layer's numbers: those at the ends of the codes apart, ``unused`` codes below."""

    axis: Axis
    bars: Markup
    saturated: Markup
    unused: Markup
    ticks: Markup


def weight_figure(raw: Distribution, effective: Distribution) -> WeightFigure | None:
    """Both on one axis, with *raw*'s grid; ``None`` if there are no finite numbers."""
    bars, codes = _bars(raw, None), _bars(effective, effective.grid)
    axis = _axis([*bars, *codes], raw.grid)
    if axis is None:
        return None
    return WeightFigure(
        axis,
        _outline(bars, axis, _highest(bars)),
        _outline(codes, axis, _highest(codes), sign=1),
        _ticks(raw.grid, axis, lambda code: True),
        None if raw.grid is None else _clip(raw.grid, axis),
    )


def result_figure(found: Distribution) -> ResultFigure | None:
    """The numbers of a layer on its grid; ``None`` if there are no finite numbers."""
    grid = found.grid
    bars = _bars(found, grid)
    axis = _axis(bars, grid)
    if axis is None:
        return None
    ends = _ends(bars, found)
    inner = [bar for bar in bars if bar not in ends]
    used = _used(found.histogram, grid)
    return ResultFigure(
        axis,
        _outline(inner, axis, _highest(bars)),
        _outline(ends, axis, _highest(bars)),
        _ticks(grid, axis, lambda code: used is not None and code not in used),
        _ticks(grid, axis, lambda code: used is None or code in used),
    )


def _bars(found: Distribution, grid: Grid | None) -> list[Bar]:
    """Bars of what occurs; those of single codes of *grid* stand around these, apart."""
    histogram = found.histogram
    single = grid is not None and histogram.exp == grid.exp
    while not single and len(histogram.counts) > _BARS:
        histogram = _halved(histogram)
    width = math.ldexp(1.0, histogram.exp)
    shift = 0.0 if grid is None else grid.step / 2
    margin = width / 8 if single and len(histogram.counts) <= _BARS else 0.0
    return [
        (begin + margin, begin + width - margin, count)
        for i, count in enumerate(histogram.counts)
        if count
        for begin in ((histogram.first + i) * width - shift,)
    ]


def _halved(found: Histogram) -> Histogram:
    """The same with bins of twice the width."""
    counts = [0] * (found.first & 1) + list(found.counts)
    counts += [0] * (len(counts) & 1)
    pairs = tuple(a + b for a, b in zip(counts[::2], counts[1::2], strict=True))
    return Histogram(found.first >> 1, found.exp + 1, pairs)


def _highest(bars: Sequence[Bar]) -> int:
    return max((count for _, _, count in bars), default=0)


def _axis(bars: Sequence[Bar], grid: Grid | None) -> Axis | None:
    """From the lowest to the highest of all bars and of the codes of *grid*."""
    ends = [edge for low, high, _ in bars for edge in (low, high)]
    if grid is not None:
        ends += [(grid.lo - 0.5) * grid.step, (grid.hi + 0.5) * grid.step]
    if not bars:
        return None
    axis = Axis(min(ends), max(ends), (min(ends), max(ends)))
    if grid is None:
        return axis
    codes = grid.lo * grid.step, grid.hi * grid.step
    room = axis.pixel(codes[1]) - axis.pixel(codes[0])
    return replace(axis, named=codes) if room >= _LABELS else axis


def _clip(grid: Grid, axis: Axis) -> tuple[int, int]:
    begin, end = axis.pixel(grid.lo * grid.step), axis.pixel(grid.hi * grid.step)
    return begin, max(end - begin, 1)


def _ends(bars: Sequence[Bar], found: Distribution) -> list[Bar]:
    """The bars of saturated codes: at the highest, and at the lowest unless that is 0."""
    grid = found.grid
    if grid is None:
        return []
    at_highest = bars[-1:] if found.highest else []
    at_lowest = bars[:1] if found.lowest and grid.lo < 0 else []
    return [*at_lowest, *(bar for bar in at_highest if bar not in at_lowest)]


def _used(histogram: Histogram, grid: Grid | None) -> set[int] | None:
    """The codes that occur, where every bin is one."""
    if grid is None or histogram.exp != grid.exp:
        return None
    return {histogram.first + i for i, count in enumerate(histogram.counts) if count}


def _ticks(grid: Grid | None, axis: Axis, wanted: Callable[[int], bool]) -> Markup:
    """Short strokes downwards from the axis, at the codes that are *wanted*."""
    if grid is None or grid.hi - grid.lo >= _TICKS:
        return Markup()
    codes = (code for code in range(grid.lo, grid.hi + 1) if wanted(code))
    return _strokes([axis.pixel(code * grid.step) for code in codes])


def _strokes(pixels: Sequence[int]) -> Markup:
    if not pixels:
        return Markup()
    moves = "".join(f"m{b - a}-{TICK}v{TICK}" for a, b in pairwise(pixels))
    return Markup(f"M{pixels[0]} 1v{TICK}{moves}")


def _outline(bars: Iterable[Bar], axis: Axis, highest: int, sign: int = -1) -> Markup:
    """*bars* upwards from the axis, or with a *sign* of 1 downwards from below its ticks.

    Heights are square roots of counts, and no less than a pixel, so that what is rare is seen.
    """
    x, y = 0, 0
    steps = [f"M0 {TICK + 2 if sign > 0 else 0}"]
    for low, high, count in bars:
        begin = max(axis.pixel(low), x)
        width = max(axis.pixel(high) - begin, 1)
        height = sign * max(1, round(HEIGHT * math.sqrt(count / highest)))
        if begin > x:
            steps.append(f"{_to(-y)}h{begin - x}")
            y = 0
        steps.append(f"{_to(height - y)}h{width}")
        x, y = begin + width, height
    return Markup("".join([*steps, _to(-y)])) if x else Markup()


def _to(distance: int) -> str:
    return f"v{distance}" if distance else ""
