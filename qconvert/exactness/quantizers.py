"""What quantizers return, and where they return it in every program: theorem 4.

QKeras returns ``x + (q - x)`` for a quantized value q. With q = k * s, s a power of two, q = 0 or
of the sign of x, the sum is q itself for every float32 x up to 2**24 * s: within the range
``q - x`` is exact by Sterbenz's lemma, beyond it both are multiples of x's last bit.
"""

import math
from dataclasses import replace

import numpy as np

from qconvert.exactness.certificate import ROUNDED_ONCE, Argument, Certificate, Doubt
from qconvert.exactness.reach import LARGEST_EXACT, Divided, Free, Ints, Reach, Values, of_grid
from qconvert.ir import Grid, Quantizer, grid_of
from qconvert.ir.quantizers import (
    Alpha,
    Binary,
    HardFunction,
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    QuantizedUlaw,
    Ternary,
)

NO_OVERFLOW = "no number overflows"
_TABLE = Doubt("levels from a table")
_NO_GRID = Doubt("a scale that is no power of two, or a mixture with the input")
_TWO_ROUNDINGS = Doubt("a product and a sum, which a program may round once or twice")
#: What trying numbers settles, whatever comes to the quantizer.
SCANNED = frozenset({_TABLE, _NO_GRID, _TWO_ROUNDINGS})
UNKNOWN_RANGE = Doubt("the range of what is quantized is not known")


def quantize(q: Quantizer, x: Values, rank: int) -> tuple[Reach | None, Certificate | Doubt]:
    """The results of a quantizer for a value with so many axes, and why all programs agree."""
    match q:
        case QuantizedBits(qnoise_factor=factor) if factor != 1:
            return None, _NO_GRID
        case QuantizedBits(post_training_scale=None, bits=1, keep_negative=True, alpha=alpha):
            # Unlike binary(), it takes the residue of its input whatever alpha is.
            return _signs(x, 1.0 if alpha is None else alpha, rank, lowest=-1)
        case QuantizedBits(post_training_scale=None):
            return _fixed_point(x, grid_of(replace(q, alpha=None)), q.alpha, rank)
        case QuantizedLinear():
            return _fixed_point(x, grid_of(q), None, rank)
        case QuantizedRelu(is_quantized_clip=True):
            return _rectified(x, grid_of(q), rank)
        case QuantizedRelu():
            return _fixed_point(x, grid_of(q), None, rank)
        case QuantizedTanh(use_real_tanh=real) | QuantizedSigmoid(use_real_sigmoid=real):
            grid = grid_of(q)
            assert grid is not None
            return of_grid(grid, rank), _TABLE if real else _clipped(x)
        case Binary(use_01=use_01, alpha=alpha):
            return _signs(x, alpha, rank, lowest=0 if use_01 else -1)
        case Ternary(alpha=alpha):
            return _signs(x, alpha, rank, lowest=-1)
        case HardFunction():
            return _hard(q, x, rank)
        case QuantizedHswish(rounding=rounding):
            return quantize(rounding, None, rank)[0], _TABLE
        case QuantizedPo2() | QuantizedReluPo2() | QuantizedUlaw() | QuantizedBits():
            return None, _TABLE


def _fixed_point(
    x: Values, grid: Grid | None, alpha: Alpha, rank: int
) -> tuple[Reach | None, Certificate | Doubt]:
    exponents = _exponents(alpha)
    if grid is None or exponents is None:
        return None, _NO_GRID
    codes = _image(x, grid, rank)
    reach = Reach(codes.lo, codes.hi, codes.exp + exponents)
    return reach, _without_residue(x, grid.exp + int(exponents.min()))


def _rectified(x: Values, grid: Grid | None, rank: int) -> tuple[Reach | None, Certificate | Doubt]:
    """QKeras clips to the range first, so that no input is beyond it."""
    return (None, _NO_GRID) if grid is None else (_image(x, grid, rank), _clipped(x))


def _signs(
    x: Values, alpha: Alpha, rank: int, lowest: int
) -> tuple[Reach | None, Certificate | Doubt]:
    """One bit or a sign: without an alpha QKeras takes the residue of a tanh."""
    exponents = _exponents(alpha)
    if exponents is None:
        return None, _NO_GRID
    signs = of_grid(Grid(lowest, 1, 0), rank)
    reach = Reach(signs.lo, signs.hi, signs.exp + exponents)
    return reach, _clipped(x) if alpha is None else _without_residue(x, int(exponents.min()))


def _hard(function: HardFunction, x: Values, rank: int) -> tuple[Reach | None, Certificate | Doubt]:
    match function:
        case HardFunction.BINARY_SIGMOID:
            return of_grid(Grid(0, 1, 0), rank), _clipped(x)
        case HardFunction.BINARY_TANH:
            return of_grid(Grid(-1, 1, 0), rank), _clipped(x)
        case HardFunction.HARD_SIGMOID | HardFunction.HARD_TANH:
            # Half of x is exact, so that the sum alone rounds.
            return None, ROUNDED_ONCE
        case HardFunction.SMOOTH_SIGMOID | HardFunction.SMOOTH_TANH:
            return None, _TWO_ROUNDINGS


def _clipped(x: Values) -> Certificate:
    """Of inputs that are clipped first: whatever they are, but for overflow on the way."""
    assumptions = () if isinstance(x, Reach) else (NO_OVERFLOW,)
    return Certificate(Argument.QUANTIZED, assumptions=assumptions)


def _exponents(alpha: Alpha) -> Ints | None:
    """The logarithms of alpha, one for all or one a channel; None if they are no integers."""
    if isinstance(alpha, str):
        return None
    values = alpha if isinstance(alpha, tuple) else (1.0 if alpha is None else alpha,)
    parts = [math.frexp(value) for value in values]
    if any(mantissa != 0.5 for mantissa, _ in parts):
        return None
    return np.array([exponent - 1 for _, exponent in parts], np.int64)


def _without_residue(x: Values, exp: int) -> Certificate | Doubt:
    """Whether every input is at most 2**24 steps of ``2**exp``."""
    match x:
        case None:
            return UNKNOWN_RANGE
        case Free():
            bound = math.ldexp(LARGEST_EXACT, exp)
            assumption = f"no number fed to it is beyond {bound:g}"
            return Certificate(Argument.QUANTIZED, assumptions=(assumption,))
        case Divided(codes=codes, divisor=divisor):
            # Rounding may add to the quotient less than one step.
            return _within(_steps(codes, exp) // divisor + 2, exp)
        case Reach():
            return _within(_steps(x, exp), exp)


def _within(magnitude: int, exp: int) -> Certificate | Doubt:
    if magnitude > LARGEST_EXACT:
        return Doubt(f"inputs of up to {magnitude} steps, more than 2**24")
    return Certificate(Argument.QUANTIZED, magnitude, exp)


def _steps(x: Reach, exp: int) -> int:
    """The largest magnitude in steps of ``2**exp``, rounded up."""
    both = np.broadcast_arrays(np.maximum(-x.lo, x.hi), x.exp - exp)
    pairs: set[tuple[int, int]] = set(zip(*(a.ravel().tolist() for a in both), strict=True))
    return max(n << shift if shift >= 0 else -(-n >> -shift) for n, shift in pairs)


def _image(x: Values, grid: Grid, rank: int) -> Reach:
    """The codes of *grid* that the inputs round to."""
    whole = of_grid(grid, rank)
    if not isinstance(x, Reach):
        return whole
    lo, hi = (_rounded(codes, x.exp - grid.exp, grid) for codes in (x.lo, x.hi))
    return Reach(lo, hi, np.broadcast_to(whole.exp, lo.shape))


def _rounded(codes: Ints, shift: Ints, grid: Grid) -> Ints:
    """``codes * 2**shift`` rounded half to even, saturated."""
    both = np.broadcast_arrays(codes, shift)
    pairs = list(zip(*(each.ravel().tolist() for each in both), strict=True))
    rounded = {pair: min(max(_half_to_even(*pair), grid.lo), grid.hi) for pair in set(pairs)}
    return np.array([rounded[pair] for pair in pairs], np.int64).reshape(both[0].shape)


def _half_to_even(code: int, shift: int) -> int:
    if shift >= 0:
        return code << shift
    below, rest, half = code >> -shift, code & ((1 << -shift) - 1), 1 << (-shift - 1)
    return below + int(rest > half or (rest == half and below & 1))
