"""QKeras's quantizers as data: every option that changes a number, with QKeras 0.9.0's defaults.

Options without effect at inference (stochastic rounding, ``var_name``) are not here: `frontend`
reads and discards them. The arithmetic is in ``numerics``. Where ``qnoise_factor`` is not 1, a
quantizer returns a mixture of its input and the quantized value; ``use_ste`` says in which of two
ways it is rounded. "Master" is QKeras's development version and qkeras-v3, which compute alike.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

AutoScale: TypeAlias = Literal["auto", "auto_po2"]
#: ``None`` is 1; numbers multiply the output; a tuple is one number a channel (last axis);
#: the automatic scales are computed from the tensor that is quantized.
Alpha: TypeAlias = float | tuple[float, ...] | AutoScale | None
#: One axis, or several, counted from 0.
Axes: TypeAlias = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FrozenScale:
    """An array that broadcasts against the quantized tensor: its numbers row by row."""

    values: tuple[float, ...]
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class QuantizedBits:
    """``quantized_bits``: fixed point, or codes with a scale computed from the data.

    The options behind ``use_ste`` and lists of axes are master's. A ``post_training_scale``
    replaces the scale that ``alpha='auto*'`` computes. The codes of ``auto_po2`` are those of the
    last scale, or of the one before it: QKeras 0.9.0 does not compute them anew.
    """

    bits: int = 8
    integer: int = 0
    symmetric: bool = False
    keep_negative: bool = True
    alpha: Alpha = None
    scale_axis: Axes | None = None
    qnoise_factor: float = 1.0
    use_ste: bool = True
    elements_per_scale: Axes | None = None
    min_po2_exponent: int | None = None
    max_po2_exponent: int | None = None
    post_training_scale: FrozenScale | None = None
    codes_of_last_scale: bool = False


@dataclass(frozen=True, slots=True)
class QuantizedLinear:
    """``quantized_linear``, master's alone: fixed point that is clipped before it is rounded.

    Unlike that of `QuantizedBits`, a number as ``alpha`` divides the input, too.
    """

    bits: int = 8
    integer: int = 0
    symmetric: bool = True
    keep_negative: bool = True
    alpha: Alpha = None
    scale_axis: Axes | None = None
    qnoise_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class QuantizedHswish:
    """``quantized_hswish``: ``quantized_bits`` of ``x * min(max(x + shift, 0), bound) / bound``."""

    rounding: QuantizedBits = QuantizedBits()
    relu_shift: float = 3.0
    relu_upper_bound: float = 6.0


@dataclass(frozen=True, slots=True)
class QuantizedUlaw:
    """``quantized_ulaw``: levels ``ln(1 + u |r|) / ln(1 + u)`` of a rounded clip r to [-1, 1]."""

    bits: int = 8
    integer: int = 0
    symmetric: bool = False
    u: float = 255.0


@dataclass(frozen=True, slots=True)
class QuantizedRelu:
    """``quantized_relu``: rectified fixed point, leaky if ``negative_slope`` is above 0.

    Below 0, which QAdaptiveActivation alone allows, the slope only costs a bit.
    """

    bits: int = 8
    integer: int = 0
    use_sigmoid: bool = False
    negative_slope: float = 0.0
    relu_upper_bound: float | None = None
    is_quantized_clip: bool = True
    qnoise_factor: float = 1.0
    use_ste: bool = True


@dataclass(frozen=True, slots=True)
class QuantizedTanh:
    """``quantized_tanh``: a rounded clip to [-1, 1), or a rounded tanh."""

    bits: int = 8
    symmetric: bool = False
    use_real_tanh: bool = False


@dataclass(frozen=True, slots=True)
class QuantizedSigmoid:
    """``quantized_sigmoid``: a rounded ``clip(x/2 + 1/2, 0, 1)``, or a rounded sigmoid."""

    bits: int = 8
    symmetric: bool = False
    use_real_sigmoid: bool = False


@dataclass(frozen=True, slots=True)
class QuantizedPo2:
    """``quantized_po2``: a sign and a power of two; never 0."""

    bits: int = 8
    max_value: float | None = None
    quadratic_approximation: bool = False
    log2_rounding: Literal["rnd", "floor"] = "rnd"
    qnoise_factor: float = 1.0
    use_ste: bool = True


@dataclass(frozen=True, slots=True)
class QuantizedReluPo2:
    """``quantized_relu_po2``: a power of two; inputs up to 0 give the smallest one, never 0."""

    bits: int = 8
    max_value: float | None = None
    negative_slope: float = 0.0
    quadratic_approximation: bool = False
    log2_rounding: Literal["rnd", "floor"] = "rnd"
    qnoise_factor: float = 1.0
    use_ste: bool = True


@dataclass(frozen=True, slots=True)
class Binary:
    """``binary`` and ``stochastic_binary`` at inference: -1 (``use_01``: 0) or 1, times a scale.

    The options behind ``alpha`` are master's.
    """

    use_01: bool = False
    alpha: Alpha = None
    scale_axis: Axes | None = None
    elements_per_scale: Axes | None = None
    min_po2_exponent: int | None = None
    max_po2_exponent: int | None = None


@dataclass(frozen=True, slots=True)
class Ternary:
    """``ternary`` and ``stochastic_ternary`` at inference: -1, 0 or 1 times a scale.

    A threshold is one number, as QKeras's option, or a number a channel (last axis).
    """

    alpha: Alpha = None
    threshold: float | tuple[float, ...] | None = None
    number_of_unrolls: int = 5


class HardFunction(Enum):
    """The plain functions that QKeras accepts wherever it accepts a quantizer."""

    HARD_SIGMOID = "hard_sigmoid"
    HARD_TANH = "hard_tanh"
    SMOOTH_SIGMOID = "smooth_sigmoid"
    SMOOTH_TANH = "smooth_tanh"
    BINARY_SIGMOID = "binary_sigmoid"
    BINARY_TANH = "binary_tanh"


Quantizer: TypeAlias = (
    QuantizedBits
    | QuantizedLinear
    | QuantizedHswish
    | QuantizedUlaw
    | QuantizedRelu
    | QuantizedTanh
    | QuantizedSigmoid
    | QuantizedPo2
    | QuantizedReluPo2
    | Binary
    | Ternary
    | HardFunction
)


def is_data_dependent(quantizer: Quantizer) -> bool:
    """Whether the result for one element depends on the other elements (``alpha='auto*'``)."""
    match quantizer:
        case QuantizedHswish(rounding=rounding):
            return is_data_dependent(rounding)
        case QuantizedBits(alpha=str()):
            return quantizer.post_training_scale is None
        case QuantizedLinear(alpha=str()) | Binary(alpha=str()) | Ternary(alpha=str()):
            return True
        case _:
            return False
