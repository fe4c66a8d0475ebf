"""QKeras's quantizer classes: the order of their arguments, and how each is read.

Arguments without names stand in QKeras 0.9.0's order; where master and qkeras-v3 have another
one, only what all agree on may go without a name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from qconvert.frontend.quantizer_options import LAST_AXIS, Options
from qconvert.ir.quantizers import (
    Binary,
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    QuantizedUlaw,
    Quantizer,
    Ternary,
)

_LARGEST_INTEGER: Final = 30
_SHARING: Final = ("elements_per_scale", "min_po2_exponent", "max_po2_exponent")
_NO_SHARING: Final = (None, None, None)


@dataclass(frozen=True, slots=True)
class QuantizerClass:
    """A class: its parameters in positional order, the function that reads them, further ones."""

    parameters: tuple[str, ...]
    read: Callable[[Options], Quantizer]
    named: tuple[str, ...] = ()


def _quantized_bits(o: Options) -> QuantizedBits:
    o.read_inert()
    alpha, frozen = o.alpha_or_list(), o.frozen_scale()
    sharing = o.sharing()
    if alpha != "auto_po2" and sharing != _NO_SHARING:
        raise o.error(f"{', '.join(_SHARING)} need alpha='auto_po2', or QKeras fails")
    if frozen is not None and not isinstance(alpha, str):
        raise o.error("post_training_scale without an automatic scale fails in QKeras itself")
    return QuantizedBits(
        o.integer("bits", 8, 1, 32),
        o.integer("integer", 0, -_LARGEST_INTEGER, _LARGEST_INTEGER),
        o.flag("symmetric", False) or isinstance(alpha, str),
        o.flag("keep_negative", True),
        alpha,
        o.axes("scale_axis", 0, LAST_AXIS),
        o.noise(),
        o.flag("use_ste", True),
        *sharing,
        frozen,
    )


def _quantized_linear(o: Options) -> QuantizedLinear:
    o.read_inert()
    alpha = o.alpha_or_list()
    if alpha == 0.0 or (isinstance(alpha, tuple) and 0.0 in alpha):
        raise o.error("alpha=0 divides by 0", "QC404")
    return QuantizedLinear(
        bits=o.integer("bits", 8, 1, 32),
        integer=o.integer("integer", 0, -_LARGEST_INTEGER, _LARGEST_INTEGER),
        symmetric=o.flag("symmetric", True),
        keep_negative=o.flag("keep_negative", True),
        alpha=alpha,
        scale_axis=o.axes("scale_axis", 0, LAST_AXIS),
        qnoise_factor=o.noise(),
    )


def _quantized_hswish(o: Options) -> QuantizedHswish:
    """Saved objects tell ``keep_negative``, an option of the class that it extends."""
    if not o.flag("keep_negative", True):
        raise o.error("keep_negative=False is not an option of it")
    shift, bound = o.number("relu_shift", 3.0), o.number("relu_upper_bound", 6.0)
    if shift <= 0 or bound <= 0:
        raise o.error(
            "relu_shift and relu_upper_bound must be positive, as QKeras asserts", "QC404"
        )
    return QuantizedHswish(_quantized_bits(o), shift, bound)


def _quantized_ulaw(o: Options) -> QuantizedUlaw:
    u = o.number("u", 255.0)
    if u <= 0:
        raise o.error(f"u={u} is not positive", "QC404")
    return QuantizedUlaw(
        bits=o.power(sign=True),
        integer=o.integer("integer", 0, -_LARGEST_INTEGER, _LARGEST_INTEGER),
        symmetric=o.flag("symmetric", False),
        u=u,
    )


def _quantized_relu(o: Options) -> QuantizedRelu:
    o.read_inert()
    slope = o.slope()
    bits = o.power(sign=slope != 0)
    integer = o.integer("integer", 0, 0, _LARGEST_INTEGER)
    full = QuantizedRelu(
        bits=bits,
        integer=integer,
        use_sigmoid=o.flag("use_sigmoid", False),
        negative_slope=slope,
        relu_upper_bound=o.optional_number("relu_upper_bound"),
        is_quantized_clip=o.flag("is_quantized_clip", True),
        qnoise_factor=o.noise(),
        use_ste=o.flag("use_ste", True),
    )
    # Master's fast way clips and rounds, and looks at no other option.
    fast = o.flag("enable_fast_inference", False)
    return QuantizedRelu(bits=bits, integer=integer, use_ste=False) if fast else full


def _quantized_tanh(o: Options) -> QuantizedTanh:
    o.read_inert()
    return QuantizedTanh(
        bits=o.power(sign=True),
        symmetric=o.flag("symmetric", False),
        use_real_tanh=o.flag("use_real_tanh", False),
    )


def _quantized_sigmoid(o: Options) -> QuantizedSigmoid:
    o.read_inert()
    return QuantizedSigmoid(
        bits=o.power(sign=False),
        symmetric=o.flag("symmetric", False),
        use_real_sigmoid=o.flag("use_real_sigmoid", False),
    )


def _quantized_po2(o: Options) -> QuantizedPo2:
    o.read_inert()
    max_value = o.max_value()
    # One bit is the sign's, and one the exponent's sign unless the values stay up to 1.
    fewest = 1 if max_value is not None and max_value <= 1 else 2
    return QuantizedPo2(
        bits=o.integer("bits", 8, fewest, 32),
        max_value=max_value,
        quadratic_approximation=o.flag("quadratic_approximation", False),
        log2_rounding=o.log2_rounding(),
        qnoise_factor=o.noise(),
        use_ste=o.flag("use_ste", True),
    )


def _quantized_relu_po2(o: Options) -> QuantizedReluPo2:
    o.read_inert()
    return QuantizedReluPo2(
        bits=o.integer("bits", 8, 1, 32),
        max_value=o.max_value(),
        negative_slope=o.slope(),
        quadratic_approximation=o.flag("quadratic_approximation", False),
        log2_rounding=o.log2_rounding(),
        qnoise_factor=o.noise(),
        use_ste=o.flag("use_ste", True),
    )


def _binary(o: Options) -> Binary:
    if o.flag("use_stochastic_rounding", False):
        raise o.error("use_stochastic_rounding=True fails in QKeras itself")
    o.flag("training", False)
    return Binary(
        o.flag("use_01", False), o.alpha(), o.axes("scale_axis", 0, LAST_AXIS), *o.sharing()
    )


def _stochastic_binary(o: Options) -> Binary:
    o.read_sampling(temperature=6.0)
    return Binary(alpha=o.alpha())


def _ternary(o: Options) -> Ternary:
    result = _any_ternary(o)
    if o.flag("use_stochastic_rounding", False) and not isinstance(result.alpha, str):
        raise o.error("use_stochastic_rounding=True without an automatic scale fails in QKeras")
    return result


def _stochastic_ternary(o: Options) -> Ternary:
    o.read_sampling(temperature=8.0)
    result = _any_ternary(o)
    if result.threshold == 1.0:
        raise o.error("threshold=1 fails in QKeras itself", "QC404")
    return result


def _any_ternary(o: Options) -> Ternary:
    alpha, threshold = o.alpha(), o.optional_number("threshold")
    if isinstance(alpha, str) and threshold is not None:
        raise o.error("a threshold together with an automatic scale fails in QKeras itself")
    unrolls = o.integer("number_of_unrolls", 5, 1, 100)
    return Ternary(alpha=alpha, threshold=threshold, number_of_unrolls=unrolls)


_TAIL: Final = ("qnoise_factor", "var_name", "use_ste", "use_variables")
_OF_MASTER: Final = (*_SHARING, "post_training_scale")
CLASSES: Final[Mapping[str, QuantizerClass]] = {
    "quantized_bits": QuantizerClass(
        (
            *("bits", "integer", "symmetric", "keep_negative", "alpha"),
            *("use_stochastic_rounding", "scale_axis", *_TAIL, *_OF_MASTER),
        ),
        _quantized_bits,
    ),
    "quantized_linear": QuantizerClass(
        (
            *("bits", "integer", "symmetric", "keep_negative", "alpha"),
            *("use_stochastic_rounding", "scale_axis"),
            *("qnoise_factor", "var_name", "use_variables"),
        ),
        _quantized_linear,
    ),
    "quantized_hswish": QuantizerClass(
        (
            *("bits", "integer", "symmetric", "alpha", "use_stochastic_rounding"),
            *("scale_axis", "qnoise_factor", "var_name"),
        ),
        _quantized_hswish,
        (
            *("use_ste", "use_variables", "relu_shift", "relu_upper_bound"),
            *("keep_negative", *_OF_MASTER),
        ),
    ),
    "quantized_ulaw": QuantizerClass(("bits", "integer", "symmetric", "u"), _quantized_ulaw),
    "quantized_relu": QuantizerClass(
        (
            *("bits", "integer", "use_sigmoid", "negative_slope", "use_stochastic_rounding"),
            *("relu_upper_bound", "is_quantized_clip", *_TAIL),
        ),
        _quantized_relu,
        ("enable_fast_inference",),
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
    "binary": QuantizerClass(
        ("use_01", "alpha", "use_stochastic_rounding"),
        _binary,
        ("training", "scale_axis", *_SHARING),
    ),
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
