"""Activation quantizers in plain float operations: QKeras's own, or tables for real functions.

Every sequence here gives QKeras's float32 results bit for bit. NaN is outside the domain, and so
are inputs of more than 65,536 times the range of a quantizer without the residue of QKeras's
straight-through expression. Only real tanh and sigmoid of more than 16 bits are the runtime's.
"""

import math
from typing import assert_never

import numpy as np

from qconvert.emit import power_of_two, tables
from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.mixing import SMALLEST_NORMAL, flushed, mixed, straight_through
from qconvert.emit.shield import unfolded
from qconvert.emit.values import Value, broadcast, per_channel
from qconvert.ir import F32, Grid, Quantizer, grid_of
from qconvert.ir.quantizers import (
    Alpha,
    Binary,
    FrozenScale,
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

_TERNARY_THRESHOLD = 0.33
#: Up to so many of a quantizer's steps ``x + (q(x) - x)`` is the quantized value.
_EXACT_STEPS = 2.0**24
#: With these bits, for inputs within 65,536 times the range. Wider quantizers get the expression
#: itself, unless their inputs are known to be within the steps.
_EXACT_BITS = 8
#: The same for inputs that QKeras clips to the range first.
_EXACT_CLIPPED_BITS = 16


def apply(b: Builder, x: Value, quantizer: Quantizer) -> Tensor:
    """The quantized tensor, in the layout of *x*."""
    match quantizer:
        case QuantizedBits(post_training_scale=FrozenScale() as frozen):
            return _frozen(b, x, quantizer, frozen)
        case QuantizedBits():
            return _bits(b, x, quantizer)
        case QuantizedLinear():
            return _linear(b, x, quantizer)
        case QuantizedHswish(rounding=rounding):
            return apply(b, hswish(b, x, quantizer), rounding)
        case QuantizedUlaw():
            return tables.ulaw(b, x, quantizer)
        case QuantizedRelu():
            return _relu(b, x.tensor, quantizer)
        case QuantizedTanh() | QuantizedSigmoid():
            grid = grid_of(quantizer)
            assert grid is not None
            return to_grid(b, rounded_argument(b, x, quantizer), grid)
        case QuantizedPo2() | QuantizedReluPo2():
            if x.codes is not None and x.integer:
                return tables.by_codes(b, x.codes, quantizer)
            return power_of_two.apply(b, x, quantizer)
        case Binary(use_01=use_01, alpha=alpha):
            return _scaled(b, x, _sign(b, x.tensor, 0.0 if use_01 else -1.0), alpha)
        case Ternary(alpha=alpha):
            return _scaled(b, x, _ternary(b, x, quantizer), alpha)
        case HardFunction():
            return _hard(b, x.tensor, quantizer)
        case _:
            assert_never(quantizer)


def rounded_argument(b: Builder, value: Value, quantizer: Quantizer) -> Tensor:
    """What a quantizer onto a uniform grid rounds, up to what the grid's ends clip."""
    x = value.tensor
    match quantizer:
        case QuantizedTanh(use_real_tanh=True) | QuantizedSigmoid(use_real_sigmoid=True):
            return tables.real_function(b, value, quantizer)
        case QuantizedTanh():
            # 2 * (x/2 + 1/2) - 1 without the exact steps; x + 1 is where float32 rounds.
            return b.op("Sub", b.op("Add", x, b.scalar(1.0)), b.scalar(1.0))
        case QuantizedSigmoid():
            return _affine(b, x, 0.5)
        case _:
            return x


def hswish(b: Builder, x: Value, q: QuantizedHswish) -> Value:
    """What the quantizer of a hard swish rounds."""
    shifted = b.op("Add", x.tensor, b.scalar(q.relu_shift))
    part = b.op("Clip", shifted, b.scalar(0.0), b.scalar(q.relu_upper_bound))
    product = flushed(b, b.op("Mul", x.tensor, part))
    return Value(b.op("Div", product, b.scalar(q.relu_upper_bound)), x.layout)


def to_grid(b: Builder, x: Tensor, grid: Grid) -> Tensor:
    """``clip(rint(x / step), lo, hi) * step``."""
    return b.op("Mul", _codes(b, x, grid), b.scalar(grid.step))


def _codes(b: Builder, x: Tensor, grid: Grid) -> Tensor:
    rounded = b.op("Round", b.op("Mul", x, b.scalar(1 / grid.step)))
    return b.op("Clip", rounded, b.scalar(grid.lo), b.scalar(grid.hi))


def exponent(alpha: Alpha) -> int | None:
    """``log2(alpha)`` if that is an integer; no alpha is 1."""
    if isinstance(alpha, (str, tuple)):
        return None
    mantissa, exp = math.frexp(1.0 if alpha is None else alpha)
    return exp - 1 if mantissa == 0.5 else None


def _bits(b: Builder, x: Value, q: QuantizedBits) -> Tensor:
    if q.bits == 1 and q.keep_negative:
        codes, exp = _sign(b, x.tensor, -1.0), 0
    else:
        grid = grid_of(QuantizedBits(q.bits, q.integer, q.symmetric, q.keep_negative))
        assert grid is not None
        codes, exp = _codes(b, x.tensor, grid), grid.exp
    y = _times(b, x, codes, q.alpha, exp)
    exact = (q.bits <= _EXACT_BITS and _is_power(q.alpha)) or _is_near(x, q)
    return mixed(b, x.tensor, y, q.qnoise_factor, use_ste=q.use_ste, exact=exact)


def _is_near(x: Value, q: QuantizedBits) -> bool:
    """Whether all inputs are within the 2**24 steps of which the sum is the quantized value."""
    grid, reach = grid_of(q), x.grid
    if grid is None or reach is None:
        return False
    return max(-reach.lo, reach.hi) * reach.step <= _EXACT_STEPS * grid.step


def _frozen(b: Builder, x: Value, q: QuantizedBits, frozen: FrozenScale) -> Tensor:
    """Half away from zero, saturated symmetrically, in steps of the given scale."""
    m = 2.0 ** (q.bits - q.keep_negative)
    scale = np.array(frozen.values, np.float32).reshape(frozen.shape) / np.float32(m)
    numbers = b.constant(broadcast(scale, x.layout), "scale")
    steps = b.op("Div", b.op("Abs", b.op("Mul", x.tensor, b.scalar(2.0**-q.integer))), numbers)
    rounded = b.op("Floor", b.op("Add", steps, b.scalar(0.5)))
    codes = b.op("Min", rounded, b.scalar(2 ** (q.bits - 1) - 1))
    back = b.op("Mul", b.op("Mul", codes, b.op("Sign", x.tensor)), b.scalar(2.0**q.integer))
    y = b.op("Mul", back, numbers)
    return mixed(b, x.tensor, y, q.qnoise_factor, use_ste=q.use_ste)


def _linear(b: Builder, x: Value, q: QuantizedLinear) -> Tensor:
    grid = grid_of(q)
    if grid is not None and q.bits <= _EXACT_BITS:
        return to_grid(b, x.tensor, grid)
    sign, unsigned = q.bits == 1 and q.keep_negative, 2.0 ** (q.bits - q.keep_negative)
    lo, hi = (-0.5, 0.5) if sign else (q.keep_negative * (q.symmetric - unsigned), unsigned - 1)
    assert not isinstance(q.alpha, str)
    factors = np.array(1.0 if q.alpha is None else q.alpha, np.float32)
    scale = _constant(b, x, factors * np.float32(2.0 ** (q.integer - q.bits + q.keep_negative)))
    codes = b.op("Clip", b.op("Div", x.tensor, scale), b.scalar(lo), b.scalar(hi))
    if sign:
        codes = b.op("Add", b.op("Round", b.op("Sub", codes, b.scalar(0.5))), b.scalar(0.5))
    else:
        codes = b.op("Round", codes)
    return mixed(b, x.tensor, b.op("Mul", codes, scale), q.qnoise_factor)


def _scaled(b: Builder, x: Value, codes: Tensor, alpha: Alpha) -> Tensor:
    """``alpha * codes`` behind the straight-through expression where that rounds."""
    y = _times(b, x, codes, alpha, 0)
    return y if _is_power(alpha) else straight_through(b, x.tensor, y)


def _times(b: Builder, x: Value, codes: Tensor, alpha: Alpha, exp: int) -> Tensor:
    """``alpha * 2**exp * codes``."""
    assert not isinstance(alpha, str)
    scale = np.array(1.0 if alpha is None else alpha, np.float32) * np.float32(2.0**exp)
    return codes if np.all(scale == 1) else b.op("Mul", codes, _constant(b, x, scale))


def _is_power(alpha: Alpha) -> bool:
    """Whether every channel's alpha is a power of two."""
    each = alpha if isinstance(alpha, tuple) else (alpha,)
    return all(exponent(one) is not None for one in each)


def _constant(b: Builder, x: Value, scale: F32) -> Tensor:
    return (
        b.constant(per_channel(scale, x.layout), "scale") if scale.ndim else b.scalar(scale.item())
    )


def _sign(b: Builder, x: Tensor, low: float) -> Tensor:
    # TensorFlow takes denormal numbers for 0, which is positive.
    positive = b.op("Greater", x, b.scalar(-SMALLEST_NORMAL))
    return b.op("Where", positive, b.scalar(1.0), b.scalar(low))


def _ternary(b: Builder, x: Value, q: Ternary) -> Tensor:
    threshold = _TERNARY_THRESHOLD if q.threshold is None else q.threshold
    least = _constant(b, x, np.maximum(np.array(threshold, np.float32), SMALLEST_NORMAL))
    kept = b.op("GreaterOrEqual", b.op("Abs", x.tensor), least)
    return b.op("Where", kept, b.op("Sign", x.tensor), b.scalar(0.0))


def _relu(b: Builder, x: Tensor, q: QuantizedRelu) -> Tensor:
    grid = grid_of(q)
    exact_bits = _EXACT_CLIPPED_BITS if q.is_quantized_clip else _EXACT_BITS
    if grid is not None and (q.bits <= exact_bits or not q.use_ste):
        return to_grid(b, x, grid)
    bounded = _bounded(b, x, q)
    y = _relu_part(b, x, q, 1.0)
    if q.negative_slope > 0:
        y = b.op("Add", y, _relu_part(b, x, q, q.negative_slope))
    if q.relu_upper_bound and not q.is_quantized_clip:
        y = b.op("Min", y, b.scalar(q.relu_upper_bound))
    return mixed(b, bounded, y, q.qnoise_factor, use_ste=q.use_ste)


def _bounded(b: Builder, x: Tensor, q: QuantizedRelu) -> Tensor:
    """The input as the straight-through expression sees it."""
    leaky = b.op("Relu", x)
    if q.negative_slope:
        leaky = b.op("LeakyRelu", x, attributes={"alpha": q.negative_slope})
    if q.is_quantized_clip:
        return b.op("Min", leaky, b.scalar(2.0**q.integer - 2.0 ** (q.integer - _relu_bits(q))))
    if q.relu_upper_bound is not None:
        return b.op("Min", leaky, b.scalar(q.relu_upper_bound))
    return leaky


def _relu_bits(q: QuantizedRelu) -> int:
    return q.bits - bool(q.negative_slope)


def _relu_part(b: Builder, x: Tensor, q: QuantizedRelu, slope: float) -> Tensor:
    """The rectified part (slope 1), or the part below 0, as multiples of ``2**integer``."""
    m = 2.0 ** _relu_bits(q)
    scaled = b.op("Mul", x, b.scalar(2.0**-q.integer))
    if q.use_sigmoid:
        scaled = b.op("Clip", _affine(b, scaled, 0.5), b.scalar(0.0), b.scalar(1.0))
    p = b.op("Mul", scaled, b.scalar(m))
    negative = slope != 1.0
    rounded = b.op("Round", b.op("Mul", p, b.scalar(slope)) if negative else p)
    if q.use_sigmoid:
        rounded = b.op("Mul", rounded, b.scalar(2.0))
    part = b.op("Div", rounded, b.scalar(slope * m))
    if q.use_sigmoid:
        part = b.op("Sub", part, b.scalar(1.0))
    lo, hi = (-1.0, 0.0) if negative else (0.0, 1 - 1 / m)
    clipped = b.op("Clip", part, b.scalar(lo), b.scalar(hi))
    return b.op("Mul", clipped, b.scalar(2.0**q.integer * slope))


def _affine(b: Builder, x: Tensor, slope: float) -> Tensor:
    factor = unfolded(b, np.array(slope, np.float32), "slope")
    return b.op("Add", b.op("Mul", x, factor), b.scalar(0.5))


def _hard(b: Builder, x: Tensor, function: HardFunction) -> Tensor:
    smooth = function in (HardFunction.SMOOTH_SIGMOID, HardFunction.SMOOTH_TANH)
    binary = function in (HardFunction.BINARY_SIGMOID, HardFunction.BINARY_TANH)
    y = _affine(b, x, 0.1875 if smooth else 0.5)
    y = b.op("Clip", y, b.scalar(0.0), b.scalar(1.0))
    if binary:
        y = b.op("Round", y)
    if function.value.endswith("tanh"):
        return b.op("Sub", b.op("Mul", y, b.scalar(2.0)), b.scalar(1.0))
    return y
