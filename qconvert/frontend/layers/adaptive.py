"""Layers of QKeras whose parameters are a few numbers for a whole tensor."""

from dataclasses import dataclass

import numpy as np

from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.problems import Malformed
from qconvert.frontend.quantizer_options import LARGEST_POWER
from qconvert.frontend.weights import expect_shape, weight
from qconvert.ir.ops import Affine, Op, Quantize
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.ir.types import F32
from qconvert.numerics import adaptive_integer


def q_scale_shift(call: Call) -> Parsed:
    """``QScaleShift``: one weight and one bias for the whole tensor, both scaled by themselves."""
    c = call.config
    use_bias = c.flag("use_bias")
    quantizers = (
        c.quantizer("weight_quantizer", "kernel"),
        c.quantizer("bias_quantizer", "kernel"),
    )
    activation = c.activation("activation", qkeras=True, rank=call.rank)
    c.done()
    names = ("weight", "bias")[: 1 + use_bias]
    raw = call.weights.take(*names)
    if len(call.shape()) < 2:
        raise Malformed("QScaleShift of a tensor with one axis")
    for name, array in raw.items():
        expect_shape(name, array, (1, 1))
    weights = {name: weight(raw[name], q) for name, q in zip(names, quantizers, strict=False)}
    offset = weights["bias"].effective.reshape(1) if use_bias else None
    op = Affine(weights["weight"].effective.reshape(1), offset)
    return Parsed((op, *activation), weights)


def q_adaptive_activation(call: Call) -> Parsed:
    """``QAdaptiveActivation`` with the integer bits that its moving extremes ask for.

    QKeras takes them up at the end of its first call after loading; in that call it computes
    with 0. Meant is what follows.
    """
    c = call.config
    adaptive = _read_adaptive(c)
    _, extremes = call.weights.split(2)  # The first variable counts steps.
    raw = extremes.take("ema_min", "ema_max")
    shape = call.shape()
    for name in ("ema_min", "ema_max"):
        expect_shape(name, raw[name], ((shape[-1] or 0) if adaptive.per_channel else 1,))
    integer = adaptive_integer(
        raw["ema_min"],
        raw["ema_max"],
        bits=adaptive.bits,
        symmetric=adaptive.symmetric,
        keep_negative=not adaptive.relu or adaptive.slope != 0,
        po2_rounding=adaptive.po2_rounding,
    )
    weights = {name: weight(raw[name], None) for name in ("ema_min", "ema_max")}
    if len(set(integer.tolist())) == 1:
        return Parsed((Quantize(adaptive.quantizer(int(integer[0]))),), weights)
    return Parsed(_scaled(Quantize(adaptive.quantizer(0)), integer.astype(np.float32)), weights)


@dataclass(frozen=True, slots=True)
class _Adaptive:
    """What a configuration says."""

    relu: bool
    bits: int
    symmetric: bool
    per_channel: bool
    po2_rounding: bool
    slope: float
    bound: float | None

    def quantizer(self, integer: int) -> QuantizedBits | QuantizedRelu:
        """With so many *integer* bits."""
        if not self.relu:
            return QuantizedBits(self.bits, integer, self.symmetric, alpha=1.0)
        return QuantizedRelu(
            self.bits,
            integer,
            negative_slope=self.slope,
            relu_upper_bound=self.bound,
            is_quantized_clip=False,
        )


def _read_adaptive(c: Config) -> _Adaptive:
    relu = c.choice("activation", "quantized_bits", "quantized_relu") == "quantized_relu"
    adaptive = _Adaptive(
        relu,
        bits=c.integer("total_bits", minimum=1),
        symmetric=c.flag("symmetric", default=True),
        per_channel=c.flag("per_channel", default=False),
        po2_rounding=c.flag("po2_rounding", default=False),
        slope=_slope(c) if relu else 0.0,
        bound=None if c.raw("relu_upper_bound") is None else c.number("relu_upper_bound"),
    )
    if relu and not c.has("relu_upper_bound"):
        c.note("files do not keep relu_upper_bound, which the model may have been trained with")
    c.note(
        "in a model that Keras has just loaded, the first call computes with integer=0; the ONNX"
        " file computes as all further calls do"
    )
    c.ignore("relu_neg_slope", "quantization_delay", "ema_decay")
    if relu and adaptive.bits - (adaptive.slope != 0) > LARGEST_POWER:
        c.refuse(
            f"total_bits={adaptive.bits} are NaN in QKeras, whose int32 has no such power of two"
        )
    if _still_learns(c):
        c.refuse(
            "current_step is not behind ema_freeze_delay: QKeras changes the range in every call"
        )
    if adaptive.per_channel and adaptive.bound is not None:
        c.refuse("relu_upper_bound together with per_channel")
    c.done()
    return adaptive


def _scaled(quantize: Op, integer: F32) -> tuple[Op, ...]:
    """Other integer bits in each channel are powers of two around the same quantizer: exact."""
    return (Affine(np.exp2(-integer)), quantize, Affine(np.exp2(integer)))


def _still_learns(c: Config) -> bool:
    """Before ``ema_freeze_delay`` QKeras moves the extremes at inference too."""
    delay, step = _number(c.raw("ema_freeze_delay")), _number(c.raw("current_step"))
    if not delay or c.raw("trainable", True) is False:
        return False
    return step is None or step <= delay


def _number(value: object) -> float | None:
    """A number, which qkeras-v3 writes as a tensor."""
    match value:
        case {"config": {"value": int() | float() as number}}:
            return float(number)
        case int() | float():
            return float(value)
        case _:
            return None


def _slope(c: Config) -> float:
    """A power of two, or not above 0: the layer sets it past the assertion of the quantizer."""
    slope = c.number("relu_neg_slope", default=0.0)
    if slope > 0 and np.frexp(slope)[0] != 0.5:
        c.refuse(f"relu_neg_slope={slope} is positive and no power of two")
    return slope
