"""What a value can be: integer intervals on grids whose steps are powers of two.

All arithmetic is that of integers, with bounds that are checked: a certificate that is computed
in floats certifies nothing.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.ir import F32, Grid, Shape

Ints: TypeAlias = npt.NDArray[np.int64]

#: float32 holds every integer up to here, and not the next one.
LARGEST_EXACT: Final = 1 << 24
#: Below this step numbers may be denormal, which TensorFlow takes for 0.
SMALLEST_EXP: Final = -126
#: The first power of two that float32 does not hold.
FLOAT_END: Final = 128
#: The bits that intermediate integers may take.
_MOST_BITS: Final = 62
#: The exponent of what is 0 and nothing else: a multiple of every step.
_ANY: Final = 1 << 20


class TooWideError(ArithmeticError):
    """An integer that does not fit into 62 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """All that the elements of a value can be: ``code * 2**exp`` for codes from ``lo`` to ``hi``.

    The three arrays have the value's axes, the batch's with length 1, as has every other axis
    along which nothing changes. It is an over-approximation: not every code need occur.
    """

    lo: Ints
    hi: Ints
    exp: Ints

    @property
    def magnitude(self) -> int:
        """The largest code's, in either direction."""
        return max(-int(self.lo.min(initial=0)), int(self.hi.max(initial=0)))

    @property
    def exact(self) -> bool:
        """Whether float32 holds every such number, none of them denormal."""
        return bool(np.all(exact_sums(np.maximum(-self.lo, self.hi), self.exp)))


def exact_sums(magnitude: Ints, exp: Ints) -> npt.NDArray[np.bool_]:
    """Where float32 holds all multiples of ``2**exp`` up to *magnitude* of them (lemma 0)."""
    # Of integers that float64 holds, as all are that do not fail anyway, this is the length.
    bits = np.frexp(magnitude.astype(np.float64))[1]
    held = (magnitude <= LARGEST_EXACT) & (exp >= SMALLEST_EXP) & (bits + exp <= FLOAT_END)
    result: npt.NDArray[np.bool_] = (magnitude == 0) | held
    return result


def of_grid(grid: Grid, rank: int) -> Reach:
    """Any code of *grid* in every element of a value with so many axes."""
    ones = (1,) * rank
    return Reach(*(np.full(ones, n, np.int64) for n in (grid.lo, grid.hi, grid.exp)))


def of_array(array: F32) -> Reach:
    """The numbers of a constant, each with the largest step that it is a multiple of.

    Infinities and NaN are multiples of none: `TooWideError`.
    """
    if not np.isfinite(array).all():
        raise TooWideError
    mantissa, exponent = np.frexp(array)
    whole = np.ldexp(mantissa, 24).astype(np.int64)
    low = np.where(whole == 0, 1, whole & -whole)
    codes = whole // low
    # float32 holds every power of two, and all 24 bits of *whole*.
    zeros = np.frexp(low.astype(np.float32))[1] - 1
    return Reach(codes, codes, np.where(whole == 0, 0, exponent - 24 + zeros).astype(np.int64))


def on_common_step(reach: Reach, axes: tuple[int, ...]) -> Reach:
    """The same with one step along *axes*, the smallest there."""
    exp = _finest(np.where((reach.lo == 0) & (reach.hi == 0), _ANY, reach.exp), axes)
    return rescaled(reach, exp)


def rescaled(reach: Reach, exp: Ints) -> Reach:
    """The same in steps of ``2**exp``, which divide its own."""
    zero = (reach.lo == 0) & (reach.hi == 0)
    shift = np.where(zero, 0, reach.exp - exp)
    assert np.all(shift >= 0)
    shape = np.broadcast_shapes(shift.shape, reach.lo.shape)
    return Reach(shifted(reach.lo, shift), shifted(reach.hi, shift), np.broadcast_to(exp, shape))


def shifted(codes: Ints, shift: Ints) -> Ints:
    """``codes * 2**shift``; `TooWideError` if that takes too many bits."""
    largest = max(int(n).bit_length() for n in (codes.min(initial=0), codes.max(initial=0)))
    if largest and largest + int(shift.max(initial=0)) > _MOST_BITS:
        raise TooWideError
    return codes << shift


def aligned(*reaches: Reach) -> tuple[tuple[Reach, ...], Ints]:
    """All in the same steps, element for element, and the exponents of these."""
    rank = max(reach.lo.ndim for reach in reaches)
    padded = [_with_rank(reach, rank) for reach in reaches]
    exps = [np.where((r.lo == 0) & (r.hi == 0), _ANY, r.exp) for r in padded]
    finest = exps[0]
    for exp in exps[1:]:
        finest = np.minimum(finest, exp)
    finest = np.where(finest == _ANY, 0, finest)
    return tuple(rescaled(reach, finest) for reach in padded), finest


def hull(reach: Reach, axes: tuple[int, ...]) -> Reach:
    """What the elements along *axes* can be, of whichever position; these get length 1."""
    common = on_common_step(reach, axes)
    full = np.broadcast_shapes(common.lo.shape, common.exp.shape)
    exp = np.broadcast_to(common.exp, full).min(axis=axes, keepdims=True)
    return Reach(
        np.broadcast_to(common.lo, full).min(axis=axes, keepdims=True),
        np.broadcast_to(common.hi, full).max(axis=axes, keepdims=True),
        exp,
    )


def with_zero(reach: Reach) -> Reach:
    """The same, or 0."""
    return Reach(np.minimum(reach.lo, 0), np.maximum(reach.hi, 0), reach.exp)


def spread(reach: Reach, shape: Shape) -> Reach:
    """The same with all axes at their lengths; unknown lengths get one interval for all."""
    unknown = tuple(i for i, n in enumerate(shape) if n is None)
    flat = hull(reach, unknown) if unknown else reach
    lengths = tuple(1 if n is None else n for n in shape)
    return Reach(*(np.broadcast_to(each, lengths) for each in (flat.lo, flat.hi, flat.exp)))


def product_fits(*magnitudes: int) -> None:
    """`TooWideError` unless the product of *magnitudes* fits."""
    total = 1
    for magnitude in magnitudes:
        total *= max(1, magnitude)
    if total.bit_length() > _MOST_BITS:
        raise TooWideError


def _finest(exp: Ints, axes: tuple[int, ...]) -> Ints:
    least = exp.min(axis=axes, keepdims=True, initial=_ANY)
    result: Ints = np.where(least == _ANY, 0, least)
    return result


def _with_rank(reach: Reach, rank: int) -> Reach:
    """Axes of length 1 before the others, as broadcasting does, but for the batch's."""
    more = (1,) * (rank - reach.lo.ndim)
    return Reach(*(each.reshape(*more, *each.shape) for each in (reach.lo, reach.hi, reach.exp)))


@dataclass(frozen=True, slots=True)
class Free:
    """Any finite float32 numbers: what the user feeds, as long as no domain is declared."""


@dataclass(frozen=True, slots=True, eq=False)
class Divided:
    """Codes divided by a number that is no power of two, and rounded to float32."""

    codes: Reach
    divisor: int


#: What is known of a value; ``None`` is nothing but that it is float32.
Values: TypeAlias = Reach | Divided | Free | None


def contains(known: Values, x: F32) -> bool:
    """Whether all numbers of *x* are among those that are *known* to be possible."""
    match known:
        case Reach():
            return _holds(known, x.astype(np.float64))
        case Divided(codes=codes, divisor=divisor):
            whole = np.rint(x.astype(np.float64) * divisor)
            return _holds(codes, whole) and np.array_equal((whole / divisor).astype(np.float32), x)
        case Free():
            return bool(np.all(np.isfinite(x)))
        case None:
            return True


def _holds(reach: Reach, x: npt.NDArray[np.float64]) -> bool:
    """A step that is beyond float64 holds nothing."""
    with np.errstate(all="ignore"):
        steps = x * np.ldexp(1.0, -reach.exp)
        whole = (steps == np.rint(steps)) & (reach.lo <= steps) & (steps <= reach.hi)
    return bool(np.all(whole))
