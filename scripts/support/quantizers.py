"""Every quantizer with the options that change numbers, for activations and for weights."""

from typing import Final

from scripts.support.layers import Family

#: A quantizer takes any shape; this one has more elements than TensorFlow's vectors.
_SHAPES: Final = ((37,),)

ACTIVATIONS: Final = (
    Family(
        "quantized_bits",
        _SHAPES,
        (
            *({"bits": bits} for bits in (1, 2, 4, 8, 12, 16, 24)),
            {"bits": 4, "integer": 2},
            {"bits": 4, "symmetric": True},
            {"bits": 4, "keep_negative": False},
            {"bits": 4, "alpha": 0.5},
            {"bits": 4, "alpha": 0.3},
            {"bits": 4, "qnoise_factor": 0.3},
            {"bits": 4, "qnoise_factor": 0.3, "use_ste": False},
            {"bits": 20, "use_ste": False},
        ),
    ),
    Family(
        "quantized_hswish",
        _SHAPES,
        (
            {"bits": 8, "integer": 2},
            {"bits": 4, "integer": 2, "symmetric": True},
            {"bits": 4, "integer": 2, "alpha": 0.3},
            {"bits": 4, "integer": 2, "relu_shift": 2, "relu_upper_bound": 5},
        ),
    ),
    Family(
        "quantized_ulaw",
        _SHAPES,
        ({"bits": 4}, {"bits": 4, "integer": 2}, {"bits": 4, "symmetric": True}, {"u": 10.0}),
    ),
    Family(
        "quantized_relu",
        _SHAPES,
        (
            *({"bits": bits} for bits in (1, 4, 8, 12, 16)),
            {"bits": 4, "integer": 2},
            {"bits": 4, "integer": 2, "negative_slope": 0.25},
            {"bits": 4, "use_sigmoid": True},
            {"bits": 4, "integer": 2, "relu_upper_bound": 1.5},
            {"bits": 4, "integer": 2, "qnoise_factor": 0.3},
        ),
    ),
    Family(
        "quantized_tanh",
        _SHAPES,
        (
            {"bits": 8},
            {"bits": 8, "symmetric": True},
            {"bits": 8, "use_real_tanh": True},
            {"bits": 16, "use_real_tanh": True},
        ),
    ),
    Family(
        "quantized_sigmoid",
        _SHAPES,
        ({"bits": 8}, {"bits": 8, "symmetric": True}, {"bits": 8, "use_real_sigmoid": True}),
    ),
    Family(
        "quantized_po2",
        _SHAPES,
        (
            {"bits": 4},
            {"bits": 4, "max_value": 1},
            {"bits": 5, "quadratic_approximation": True},
            {"bits": 4, "log2_rounding": "floor"},
            {"bits": 4, "qnoise_factor": 0.3},
        ),
    ),
    Family(
        "quantized_relu_po2",
        _SHAPES,
        (
            {"bits": 4},
            {"bits": 4, "max_value": 1},
            {"bits": 4, "negative_slope": 0.25},
            {"bits": 5, "quadratic_approximation": True},
            {"bits": 4, "log2_rounding": "floor"},
            {"bits": 4, "qnoise_factor": 0.3},
        ),
    ),
    Family("binary", _SHAPES, ({}, {"use_01": True}, {"alpha": 0.5}, {"alpha": 0.3})),
    Family("ternary", _SHAPES, ({}, {"threshold": 0.5}, {"alpha": 0.5}, {"alpha": 0.3})),
    Family("stochastic_binary", _SHAPES, ({"alpha": 1.0},)),
    Family("stochastic_ternary", _SHAPES, ({"alpha": 1.0, "threshold": 0.5},)),
)
WEIGHTS: Final = (
    Family(
        "quantized_bits",
        _SHAPES,
        (
            *({"bits": bits, "alpha": 1.0} for bits in (1, 2, 4, 8, 12, 16)),
            {"bits": 4, "alpha": None},
            {"bits": 4, "alpha": "auto"},
            {"bits": 4, "alpha": "auto_po2"},
            {"bits": 4, "alpha": 0.3},
            {"bits": 4, "alpha": 1.0, "keep_negative": False},
            {"bits": 4, "alpha": 1.0, "symmetric": True},
            {"bits": 4, "alpha": 1.0, "qnoise_factor": 0.3},
        ),
    ),
    Family("quantized_hswish", _SHAPES, ({"bits": 4, "alpha": 1.0}, {"bits": 4, "alpha": None})),
    Family("quantized_ulaw", _SHAPES, ({"bits": 4},)),
    Family(
        "quantized_po2",
        _SHAPES,
        ({"bits": 4}, {"bits": 4, "max_value": 1}, {"bits": 5, "quadratic_approximation": True}),
    ),
    Family("binary", _SHAPES, ({"alpha": 1.0}, {"alpha": "auto"}, {"alpha": "auto_po2"})),
    Family("ternary", _SHAPES, ({"alpha": 1.0}, {"alpha": "auto"}, {"alpha": "auto_po2"})),
    Family("stochastic_binary", _SHAPES, ({"alpha": "auto_po2"},)),
    Family("stochastic_ternary", _SHAPES, ({"alpha": "auto_po2"},)),
)
