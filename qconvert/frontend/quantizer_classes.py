"""QKeras 0.9.0's quantizer classes: the order of their arguments, and how each is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from qconvert.frontend.quantizer_options import Options
from qconvert.ir.quantizers import (
    Binary,
    QuantizedBits,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    Quantizer,
    Ternary,
)

#: QKeras computes ``2**n`` in int32.
_LARGEST_POWER: Final = 30
_LOG_ROUNDINGS: Final = ("rnd", "floor")


@dataclass(frozen=True, slots=True)
class QuantizerClass:
    """A class: its parameters in positional order, and the function that reads them."""

    parameters: tuple[str, ...]
    read: Callable[[Options], Quantizer]


def _quantized_bits(o: Options) -> QuantizedBits:
    _read_inert(o)
    alpha = o.alpha_or_list()
    return QuantizedBits(
        bits=o.integer("bits", 8, 1, 32),
        integer=o.integer("integer", 0, 0, _LARGEST_POWER),
        symmetric=o.flag("symmetric", False) or isinstance(alpha, str),
        keep_negative=o.flag("keep_negative", True),
        alpha=alpha,
        scale_axis=o.axis("scale_axis"),
    )


def _quantized_relu(o: Options) -> QuantizedRelu:
    _read_inert(o)
    slope = o.slope()
    return QuantizedRelu(
        bits=o.integer("bits", 8, 1, _LARGEST_POWER + (slope != 0)),
        integer=o.integer("integer", 0, 0, _LARGEST_POWER),
        use_sigmoid=o.flag("use_sigmoid", False),
        negative_slope=slope,
        relu_upper_bound=o.optional_number("relu_upper_bound"),
        is_quantized_clip=o.flag("is_quantized_clip", True),
    )


def _quantized_tanh(o: Options) -> QuantizedTanh:
    _read_inert(o)
    return QuantizedTanh(
        bits=o.integer("bits", 8, 1, _LARGEST_POWER + 1),
        symmetric=o.flag("symmetric", False),
        use_real_tanh=o.flag("use_real_tanh", False),
    )


def _quantized_sigmoid(o: Options) -> QuantizedSigmoid:
    _read_inert(o)
    return QuantizedSigmoid(
        bits=o.integer("bits", 8, 1, _LARGEST_POWER),
        symmetric=o.flag("symmetric", False),
        use_real_sigmoid=o.flag("use_real_sigmoid", False),
    )


def _quantized_po2(o: Options) -> QuantizedPo2:
    _read_inert(o)
    max_value = _max_value(o)
    # One bit is the sign's, and one the exponent's sign unless the values stay up to 1.
    fewest = 1 if max_value is not None and max_value <= 1 else 2
    return QuantizedPo2(
        bits=o.integer("bits", 8, fewest, 32),
        max_value=max_value,
        quadratic_approximation=o.flag("quadratic_approximation", False),
        log2_rounding=_log2_rounding(o),
    )


def _quantized_relu_po2(o: Options) -> QuantizedReluPo2:
    _read_inert(o)
    return QuantizedReluPo2(
        bits=o.integer("bits", 8, 1, 32),
        max_value=_max_value(o),
        negative_slope=o.slope(),
        quadratic_approximation=o.flag("quadratic_approximation", False),
        log2_rounding=_log2_rounding(o),
    )


def _binary(o: Options) -> Binary:
    if o.flag("use_stochastic_rounding", False):
        raise o.error("use_stochastic_rounding=True fails in QKeras itself")
    return Binary(use_01=o.flag("use_01", False), alpha=o.alpha())


def _stochastic_binary(o: Options) -> Binary:
    _read_sampling(o, temperature=6.0)
    return Binary(alpha=o.alpha())


def _ternary(o: Options) -> Ternary:
    result = _any_ternary(o)
    if o.flag("use_stochastic_rounding", False) and not isinstance(result.alpha, str):
        raise o.error("use_stochastic_rounding=True without an automatic scale fails in QKeras")
    return result


def _stochastic_ternary(o: Options) -> Ternary:
    _read_sampling(o, temperature=8.0)
    result = _any_ternary(o)
    if result.threshold == 1.0:
        raise o.error("threshold=1 fails in QKeras itself")
    return result


def _any_ternary(o: Options) -> Ternary:
    alpha, threshold = o.alpha(), o.optional_number("threshold")
    if isinstance(alpha, str) and threshold is not None:
        raise o.error("a threshold together with an automatic scale fails in QKeras itself")
    unrolls = o.integer("number_of_unrolls", 5, 1, 100)
    return Ternary(alpha=alpha, threshold=threshold, number_of_unrolls=unrolls)


def _max_value(o: Options) -> float | None:
    value = o.optional_number("max_value")
    if value is not None and value <= 0:
        raise o.error(f"max_value={value} is not positive")
    return value


def _log2_rounding(o: Options) -> Literal["rnd", "floor"]:
    return cast(Literal["rnd", "floor"], o.choice("log2_rounding", "rnd", _LOG_ROUNDINGS))


def _read_inert(o: Options) -> None:
    """Options that change no number at inference, or only with values that are refused."""
    o.flag("use_stochastic_rounding", False)
    o.flag("use_variables", False)
    if not isinstance(o.values.get("var_name"), str | None):
        raise o.error("var_name is not a text")
    if o.number("qnoise_factor", 1.0) != 1.0:
        raise o.error(f"qnoise_factor={o.values['qnoise_factor']} mixes in the unquantized input")
    if not o.flag("use_ste", True):
        raise o.error("use_ste=False rounds differently; it is not supported")


def _read_sampling(o: Options, temperature: float) -> None:
    o.number("temperature", temperature)
    o.flag("use_real_sigmoid", True)


_TAIL: Final = ("qnoise_factor", "var_name", "use_ste", "use_variables")
CLASSES: Final[Mapping[str, QuantizerClass]] = {
    "quantized_bits": QuantizerClass(
        (
            *("bits", "integer", "symmetric", "keep_negative", "alpha"),
            *("use_stochastic_rounding", "scale_axis", *_TAIL),
        ),
        _quantized_bits,
    ),
    "quantized_relu": QuantizerClass(
        (
            *("bits", "integer", "use_sigmoid", "negative_slope", "use_stochastic_rounding"),
            *("relu_upper_bound", "is_quantized_clip", *_TAIL),
        ),
        _quantized_relu,
    ),
    "quantized_tanh": QuantizerClass(
        ("bits", "use_stochastic_rounding", "symmetric", "use_real_tanh"), _quantized_tanh
    ),
    "quantized_sigmoid": QuantizerClass(
        ("bits", "symmetric", "use_real_sigmoid", "use_stochastic_rounding"), _quantized_sigmoid
    ),
    "quantized_po2": QuantizerClass(
        (
            *("bits", "max_value", "use_stochastic_rounding", "quadratic_approximation"),
            *("log2_rounding", *_TAIL),
        ),
        _quantized_po2,
    ),
    "quantized_relu_po2": QuantizerClass(
        (
            *("bits", "max_value", "negative_slope", "use_stochastic_rounding"),
            *("quadratic_approximation", "log2_rounding", *_TAIL),
        ),
        _quantized_relu_po2,
    ),
    "binary": QuantizerClass(("use_01", "alpha", "use_stochastic_rounding"), _binary),
    "stochastic_binary": QuantizerClass(
        ("alpha", "temperature", "use_real_sigmoid"), _stochastic_binary
    ),
    "ternary": QuantizerClass(
        ("alpha", "threshold", "use_stochastic_rounding", "number_of_unrolls"), _ternary
    ),
    "stochastic_ternary": QuantizerClass(
        ("alpha", "threshold", "temperature", "use_real_sigmoid", "number_of_unrolls"),
        _stochastic_ternary,
    ),
}
