"""Every quantizer with its options, for activations and for weights.

Activations are given as texts, which files keep: of an object QKeras saves a part of the options.
"""

from typing import Final

from scripts.support.families import Family, Options

#: A quantizer takes any shape; this one has room for the numbers that `inputs` lists.
_SHAPES: Final = ((397,),)
#: For weights, more elements than TensorFlow's vectors have.
_FEATURES: Final = ((37,),)

_OF_POWERS: Final[tuple[Options, ...]] = (
    {"bits": 4, "qnoise_factor": 0.3},
    {"bits": 4, "qnoise_factor": 0.3, "use_ste": False},
    {"bits": 4, "qnoise_factor": 0.3, "use_variables": True},
    {"bits": 4, "use_stochastic_rounding": True},
    {"bits": 4, "var_name": "name"},
)
#: Functions, which have no options.
_FUNCTIONS: Final = (
    *("binary_sigmoid", "binary_tanh", "hard_sigmoid", "hard_tanh"),
    *("smooth_sigmoid", "smooth_tanh"),
)

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
            {"bits": 4, "qnoise_factor": 0.3, "use_variables": True},
            {"bits": 4, "use_stochastic_rounding": True},
            {"bits": 4, "var_name": "name"},
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
            {"bits": 4, "integer": 2, "qnoise_factor": 0.3},
            {"bits": 4, "integer": 2, "qnoise_factor": 0.3, "use_ste": False},
            {"bits": 4, "qnoise_factor": 0.3, "use_variables": True},
            {"bits": 4, "use_stochastic_rounding": True},
            {"bits": 4, "var_name": "name"},
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
            {"bits": 4, "integer": 2, "relu_upper_bound": 1.5, "is_quantized_clip": False},
            {"bits": 4, "integer": 2, "is_quantized_clip": False},
            {"bits": 4, "integer": 2, "qnoise_factor": 0.3},
            {"bits": 4, "integer": 2, "qnoise_factor": 0.3, "use_ste": False},
            {"bits": 4, "qnoise_factor": 0.3, "use_variables": True},
            {"bits": 4, "use_stochastic_rounding": True},
            {"bits": 4, "var_name": "name"},
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
            {"bits": 18, "use_real_tanh": True},
            {"bits": 8, "use_stochastic_rounding": True},
        ),
    ),
    Family(
        "quantized_sigmoid",
        _SHAPES,
        (
            {"bits": 8},
            {"bits": 8, "symmetric": True},
            {"bits": 8, "use_real_sigmoid": True},
            {"bits": 16, "use_real_sigmoid": True},
            {"bits": 18, "use_real_sigmoid": True},
            {"bits": 8, "use_stochastic_rounding": True},
        ),
    ),
    Family(
        "quantized_po2",
        _SHAPES,
        (
            {"bits": 4},
            {"bits": 4, "max_value": 1},
            {"bits": 5, "quadratic_approximation": True},
            {"bits": 4, "log2_rounding": "floor"},
            *_OF_POWERS,
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
            *_OF_POWERS,
        ),
    ),
    Family("binary", _SHAPES, ({}, {"use_01": True}, {"alpha": 0.5}, {"alpha": 0.3})),
    Family("ternary", _SHAPES, ({}, {"threshold": 0.5}, {"alpha": 0.5}, {"alpha": 0.3})),
    Family(
        "stochastic_binary",
        _SHAPES,
        (
            {"alpha": 1.0},
            {"alpha": 1.0, "temperature": 2.0},
            {"alpha": 1.0, "use_real_sigmoid": False},
        ),
    ),
    Family(
        "stochastic_ternary",
        _SHAPES,
        (
            {"alpha": 1.0, "threshold": 0.5},
            {"alpha": 1.0, "threshold": 0.5, "temperature": 2.0},
            {"alpha": 1.0, "threshold": 0.5, "use_real_sigmoid": False},
        ),
    ),
    *(Family(name, _SHAPES) for name in _FUNCTIONS),
)
WEIGHTS: Final = (
    Family(
        "quantized_bits",
        _FEATURES,
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
    Family("quantized_hswish", _FEATURES, ({"bits": 4, "alpha": 1.0}, {"bits": 4, "alpha": None})),
    Family("quantized_ulaw", _FEATURES, ({"bits": 4},)),
    Family(
        "quantized_po2",
        _FEATURES,
        ({"bits": 4}, {"bits": 4, "max_value": 1}, {"bits": 5, "quadratic_approximation": True}),
    ),
    Family("binary", _FEATURES, ({"alpha": 1.0}, {"alpha": "auto"}, {"alpha": "auto_po2"})),
    Family(
        "ternary",
        _FEATURES,
        (
            {"alpha": 1.0},
            {"alpha": "auto"},
            {"alpha": "auto_po2"},
            {"alpha": "auto", "number_of_unrolls": 1},
            {"alpha": "auto_po2", "number_of_unrolls": 2},
            {"alpha": "auto", "use_stochastic_rounding": True},
        ),
    ),
    Family("stochastic_binary", _FEATURES, ({"alpha": "auto_po2"},)),
    Family(
        "stochastic_ternary",
        _FEATURES,
        ({"alpha": "auto_po2"}, {"alpha": "auto", "number_of_unrolls": 1}),
    ),
)
