"""What QKeras 0.9.0 and Keras 2 cannot build or save, and where it is checked; what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_V3: Final = "made and checked with qkeras-v3, in tests/v3"
_LIVE: Final = "no file of QKeras 0.9.0 keeps it; checked on quantizers, in tests/conformance"
_LATER: Final = "of later versions; against qkeras-v3, in tests/v3"
_MASTER: Final = "of QKeras's master alone; its arithmetic is checked in tests/numerics"

#: Layers of `LAYERS` without a constructor in QKeras 0.9.0 and Keras 2.
LAYERS_ELSEWHERE: Final[Mapping[str, str]] = {
    "FQConv2D": "fkeras; as QConv2D, without injected faults; in tests/frontend",
    "FQDense": "fkeras; as QDense, without injected faults; in tests/frontend",
    "QDenseBatchnorm": _V3,
    "QDepthwiseConv2DTranspose": _V3,
    "QScaleShift": _V3,
    "QSeparableConv2DTranspose": _V3,
}
#: Options of layers that QKeras 0.9.0 does not have.
OPTIONS_ELSEWHERE: Final[Mapping[tuple[str, str], str]] = {
    ("Embedding", "mask_zero"): "in tests/conformance/test_masks.py",
    ("recurrent layers", "stateful"): "states are inputs and outputs; in tests/conformance",
    ("QBatchNormalization", "inverse_quantizer"): _V3,
    ("QConv2D", "mask"): _V3,
    (
        "QAdaptiveActivation",
        "relu_upper_bound",
    ): "no file keeps it; checked in tests/numerics and tests/frontend",
}
#: Options of quantizers, all of those of a class under the name ``*``.
QUANTIZERS_ELSEWHERE: Final[Mapping[tuple[str, str], str]] = {
    ("binary", "elements_per_scale"): _LATER,
    ("binary", "max_po2_exponent"): _LATER,
    ("binary", "min_po2_exponent"): _LATER,
    ("binary", "scale_axis"): _LATER,
    ("binary", "training"): "an argument of qkeras-v3 without effect at inference",
    ("quantized_bits", "elements_per_scale"): _LATER,
    ("quantized_bits", "max_po2_exponent"): _LATER,
    ("quantized_bits", "min_po2_exponent"): _LATER,
    ("quantized_bits", "post_training_scale"): _LATER,
    ("quantized_bits", "scale_axis"): _LIVE,
    ("quantized_hswish", "elements_per_scale"): _LATER,
    ("quantized_hswish", "max_po2_exponent"): _LATER,
    ("quantized_hswish", "min_po2_exponent"): _MASTER,
    ("quantized_hswish", "post_training_scale"): _LATER,
    ("quantized_hswish", "scale_axis"): _LIVE,
    ("quantized_hswish", "keep_negative"): "written by every file, and nothing but True",
    ("quantized_linear", "*"): _LATER,
    ("quantized_relu", "enable_fast_inference"): _MASTER,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A text that QKeras understands and that is refused; on a weight, or on an activation."""

    text: str
    weight: bool = False


REFUSALS: Final = (
    Refusal("bernoulli()"),
    Refusal("quantized_bits(4,alpha='auto')"),
    Refusal("quantized_bits(4,alpha='auto_po2')"),
    Refusal("quantized_bits(1,alpha='auto')", weight=True),
    Refusal("binary(alpha='auto')"),
    Refusal("binary(alpha=1,use_stochastic_rounding=True)", weight=True),
    Refusal("ternary(alpha='auto_po2')"),
    Refusal("ternary(alpha=1,use_stochastic_rounding=True)", weight=True),
    Refusal("ternary(alpha='auto',threshold=0.5)", weight=True),
    Refusal("stochastic_ternary(alpha=1,threshold=1)"),
    Refusal("quantized_hswish(4,relu_shift=0)"),
    Refusal("quantized_relu(4,negative_slope=0.3)"),
    Refusal("quantized_ulaw(20)"),
)
