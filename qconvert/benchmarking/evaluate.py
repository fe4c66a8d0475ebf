"""From seconds to columns: ratios within each round, then their spread."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from qconvert.benchmarking.inputs import Array
from qconvert.benchmarking.measure import Measured
from qconvert.benchmarking.product import MULTIPLICATIONS, SIZE
from qconvert.benchmarking.results import Column, Setting, Spread, Timing, Unlike
from qconvert.benchmarking.running import CONVERTING
from qconvert.errors import UsageError


def column(
    each: Mapping[int, Measured],
    measured: Mapping[int, Measured],
    product: Mapping[int, Measured],
    macs: int | None,
) -> Column:
    """One program beside the *measured* file, by number of threads.

    *product* is the matrix product, *macs* the model's multiplications a sample.
    """
    first = next(iter(each.values()))
    settings = tuple(_setting(t, each[t], measured[t], product[t], macs) for t in each)
    compared = next(iter(measured.values()))
    unlike, uncompared = _unlike(first, compared), _uncompared(first, compared)
    return Column(first.program.name, _size(first), settings, unlike, uncompared)


def _size(of: Measured) -> int | None:
    """What its files take: the model's, or what it makes of these."""
    return of.converted if of.program.kind == CONVERTING else of.program.bytes


def per_second(product: Measured) -> Spread | None:
    """The multiplications a second of the matrix product."""
    seconds = product.rounds.get(SIZE, []) if product.failure is None else []
    return Spread.of([MULTIPLICATIONS / each for each in seconds]) if seconds else None


def _setting(
    threads: int, each: Measured, measured: Measured, product: Measured, macs: int | None
) -> Setting:
    if each.failure is not None:
        return Setting(threads, each.startup, None, (), each.failure.coded)
    timings = tuple(
        Timing(
            batch,
            Spread.of(seconds),
            None if each is measured else Spread.of(_over(seconds, measured.rounds[batch])),
            _of_peak(batch, seconds, product, macs),
        )
        for batch, seconds in each.rounds.items()
    )
    return Setting(threads, each.startup, each.peak, timings)


def _of_peak(
    batch: int, seconds: Sequence[float], product: Measured, macs: int | None
) -> Spread | None:
    if product.failure is not None or macs is None:
        return None
    # What the product would take for as many multiplications, in the same round.
    scale = batch * macs / MULTIPLICATIONS
    return Spread.of([scale * x for x in _over(product.rounds[SIZE], seconds)])


def _over(seconds: Iterable[float], others: Iterable[float]) -> list[float]:
    return [a / b for a, b in zip(seconds, others, strict=True)]


def _unlike(each: Measured, measured: Measured) -> Unlike | None:
    """``None`` for the measured file itself, and where there is nothing to compare."""
    if each is measured or each.results is None or measured.results is None:
        return None
    if _shapes(each.results) != _shapes(measured.results):
        return None
    pairs = zip(each.results, measured.results, strict=True)
    apart = np.concatenate([np.zeros(0), *(_apart(a, b).ravel() for a, b in pairs)])
    return Unlike(int(np.count_nonzero(apart)), apart.size, float(apart.max(initial=0.0)))


def _uncompared(each: Measured, measured: Measured) -> str | None:
    """Why there is nothing to compare, where both programs have outputs."""
    if each.uncompared is not None:
        return each.uncompared.coded
    if each.results is None or measured.results is None:
        return None
    own, files = _shapes(each.results), _shapes(measured.results)
    if own == files:
        return None
    listed = [", ".join(map(str, shapes)) or "none" for shapes in (own, files)]
    return UsageError(
        "QC704", f"its outputs have the shapes {listed[0]}, the file's {listed[1]}"
    ).coded


def _shapes(results: Sequence[Array]) -> list[tuple[int, ...]]:
    return [each.shape for each in results]


def _apart(a: Array, b: Array) -> npt.NDArray[np.float64]:
    """How far apart the numbers are; NaN is NaN, and infinitely far from all others."""
    with np.errstate(invalid="ignore"):
        distance = np.abs(a.astype(np.float64) - b.astype(np.float64))
    distance[np.isnan(distance)] = np.inf
    distance[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    return distance
