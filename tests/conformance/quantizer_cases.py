"""Configurations of quantizers and what to try them on: one table for every QKeras."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, product
from typing import Any, TypeAlias

import numpy as np

from qconvert.frontend.flavour import Flavour
from qconvert.frontend.quantizers import quantizer
from qconvert.ir import F32, Quantizer

Value: TypeAlias = int | float | str | bool | list[Any] | None

WIDTHS = (1, 2, 3, 4, 8, 16, 24, 30)


@dataclass(frozen=True, slots=True)
class Case:
    """One configuration; its class and options as QKeras names them."""

    name: str
    options: Mapping[str, Value]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.options.items())})"

    def ours(self, flavour: Flavour = Flavour.QKERAS) -> Quantizer:
        entry = {"class_name": self.name, "config": dict(self.options)}
        result = quantizer(entry, "other", flavour)
        assert result is not None
        return result


def grid(name: str, **choices: tuple[Value, ...]) -> Iterator[Case]:
    """All combinations of the options' values."""
    for values in product(*choices.values()):
        yield Case(name, dict(zip(choices, values, strict=True)))


FLAG = (False, True)
SLOPES = (0.0, 0.25, 1.0)
NOISE = (0.0, 0.1, 0.5, 1.0)
#: Elementwise: every option that changes numbers, in all combinations that matter together.
CASES = tuple(
    chain(
        grid("quantized_bits", bits=WIDTHS, integer=(0, 2), keep_negative=FLAG, alpha=(None, 0.3)),
        grid("quantized_bits", bits=(4, 31, 32), integer=(0, 7, 30), symmetric=FLAG),
        grid(
            "quantized_bits",
            bits=(1, 4),
            alpha=(1, 1.0, True, 0.5, 2.0, -0.7, 1e-5),
            integer=(0, 1),
        ),
        grid("quantized_bits", bits=(1, 5), alpha=([0.5, 1.0, 0.3, -2.0, 0.0, 7.1, 0.1],)),
        grid(
            "quantized_bits",
            bits=(1, 4, 20),
            alpha=(None, 0.3),
            qnoise_factor=NOISE,
            use_ste=FLAG,
            use_variables=FLAG,
        ),
        grid("quantized_hswish", bits=WIDTHS, integer=(0, 2), symmetric=FLAG, alpha=(None, 0.3)),
        grid(
            "quantized_hswish",
            bits=(1, 6),
            relu_shift=(2, 3),
            relu_upper_bound=(1, 5, 6),
            qnoise_factor=(0.3, 1.0),
            use_ste=FLAG,
        ),
        grid("quantized_ulaw", bits=(1, 2, 4, 8, 16, 31, 32), integer=(0, 2), symmetric=FLAG),
        grid("quantized_ulaw", bits=(4, 8), u=(1.0, 10.0, 1000.5)),
        grid(
            "quantized_relu",
            bits=(4, 20),
            negative_slope=SLOPES,
            qnoise_factor=NOISE,
            use_ste=FLAG,
            use_variables=FLAG,
        ),
        grid(
            "quantized_relu",
            bits=(4,),
            integer=(1,),
            relu_upper_bound=(1.05,),
            is_quantized_clip=FLAG,
            qnoise_factor=NOISE,
            use_ste=FLAG,
        ),
        grid(
            "quantized_po2",
            bits=(4,),
            max_value=(None, 0.7),
            qnoise_factor=NOISE,
            use_ste=FLAG,
            use_variables=FLAG,
        ),
        grid(
            "quantized_relu_po2",
            bits=(4,),
            negative_slope=(0, 0.25),
            max_value=(None, 0.7),
            qnoise_factor=NOISE,
            use_ste=FLAG,
            use_variables=FLAG,
        ),
        grid(
            "quantized_relu", bits=WIDTHS, integer=(0, 3), use_sigmoid=(0, 1), negative_slope=SLOPES
        ),
        grid(
            "quantized_relu",
            bits=(2, 4, 8),
            integer=(0, 2),
            negative_slope=(0.0, 0.5, 2.0),
            relu_upper_bound=(None, 0.0, 0.3, 1.05, 6.0),
            is_quantized_clip=FLAG,
        ),
        # Where 2**31 wraps to -2**31 in QKeras's int32.
        grid(
            "quantized_relu",
            bits=(31, 32),
            integer=(0, 3, 30),
            use_sigmoid=(0, 1),
            negative_slope=(0.25, 1.0),
        ),
        grid(
            "quantized_relu",
            bits=(31,),
            integer=(0, 3, 30),
            use_sigmoid=(0, 1),
            relu_upper_bound=(None, 0.3),
            is_quantized_clip=FLAG,
            qnoise_factor=(0.5, 1.0),
            use_ste=FLAG,
        ),
        grid("quantized_tanh", bits=(*WIDTHS, 31, 32), symmetric=FLAG, use_real_tanh=FLAG),
        grid("quantized_sigmoid", bits=(*WIDTHS, 31), symmetric=FLAG, use_real_sigmoid=FLAG),
        grid(
            "quantized_po2",
            bits=(2, 3, 4, 5, 8, 10, 32),
            max_value=(None, 0.7, 1, 3, 2048.0),
            quadratic_approximation=FLAG,
            log2_rounding=("rnd", "floor"),
        ),
        grid(
            "quantized_relu_po2",
            bits=(1, 2, 4, 6, 8),
            max_value=(None, 0.7, 1, 3, 2048.0),
            negative_slope=(0, 0.25),
            quadratic_approximation=FLAG,
            log2_rounding=("rnd", "floor"),
        ),
        grid("binary", use_01=FLAG, alpha=(None, 1.0, 0.3, 2)),
        grid("ternary", alpha=(None, 1.0, 0.3, 2), threshold=(None, 0.0, 0.5, 1)),
        grid("stochastic_binary", alpha=(None, 0.3)),
        grid("stochastic_ternary", alpha=(None, 0.3), threshold=(None, 0.5)),
    )
)
#: Scales computed from a weight tensor.
AUTOMATIC = tuple(
    chain(
        grid("quantized_bits", bits=(2, 3, 4, 8, 16, 24), alpha=("auto", "auto_po2")),
        grid("quantized_bits", integer=(2,), keep_negative=FLAG, alpha=("auto", "auto_po2")),
        grid("quantized_bits", bits=(1,), alpha=("auto_po2",)),
        grid(
            "quantized_bits",
            bits=(4,),
            alpha=("auto", "auto_po2"),
            qnoise_factor=(0.1, 1.0),
            use_ste=FLAG,
        ),
        grid("quantized_hswish", bits=(4, 8), integer=(0, 2), alpha=("auto", "auto_po2")),
        grid("binary", use_01=FLAG, alpha=("auto", "auto_po2")),
        grid("ternary", alpha=("auto", "auto_po2"), number_of_unrolls=(1, 5)),
    )
)
FUNCTIONS = (
    "hard_sigmoid",
    "hard_tanh",
    "smooth_sigmoid",
    "smooth_tanh",
    "binary_sigmoid",
    "binary_tanh",
)
#: Where TensorFlow's result for a number depends on the number's place.
POSITIONS = tuple(
    chain(
        grid("quantized_po2", bits=(4,), log2_rounding=("rnd", "floor")),
        grid("quantized_po2", bits=(5,), quadratic_approximation=(True,)),
        grid("quantized_relu_po2", bits=(4,), negative_slope=(0, 0.25)),
        grid("quantized_ulaw", bits=(8, 16)),
        grid("quantized_tanh", bits=(8, 16), use_real_tanh=(True,)),
        grid("quantized_sigmoid", bits=(8, 16), use_real_sigmoid=(True,)),
    )
)
SHAPES = ((5,), (40,), (64, 10), (333, 16), (3, 3, 5, 7), (1, 1, 64, 2))


def ulps_around(x: F32, distance: int) -> F32:
    """All float32 numbers up to *distance* representations away from normal numbers."""
    offsets = np.arange(-distance, distance + 1, dtype=np.int32)
    bits: F32 = (x.view(np.int32)[:, np.newaxis] + offsets).view(np.float32).ravel()
    return bits


def inputs() -> F32:
    """Ties of all steps with their neighbours, powers of two, zeros, normals, tiny and big."""
    rng = np.random.default_rng(7)
    steps = np.exp2(np.arange(-8, 4, dtype=np.float32))
    ties = ulps_around(np.outer(steps, np.arange(0.5, 20, 0.5, dtype=np.float32)).ravel(), 1)
    powers = ulps_around(np.exp2(np.arange(-40, 40, 0.5)).astype(np.float32), 3)
    rest = [rng.normal(0, scale, 300).astype(np.float32) for scale in (1e-3, 1, 100)]
    wide = (10.0 ** rng.uniform(-12, 12, 500)).astype(np.float32)
    named = np.array(
        [
            1e-45,
            1e-40,
            1e-38,
            2**-126,
            1.3e-38,
            3e-38,
            1e-30,
            1e-8,
            1e-7,
            0.33,
            0.3,
            1.05,
            6,
            1e30,
            1e38,
        ],
        np.float32,
    )
    positive = np.concatenate([ties, powers, *rest, wide, ulps_around(named, 2)])
    both = np.unique(np.concatenate([positive, -positive, np.zeros(1, np.float32)]))
    return rng.permutation(np.append(both, np.float32(-0.0)))[: both.size // 7 * 7]


INPUTS = inputs()


def weights(shape: tuple[int, ...]) -> Iterator[F32]:
    """Random weights, weights full of ties, and none."""
    rng = np.random.default_rng(11)
    yield rng.normal(0, 0.05, shape).astype(np.float32)
    yield rng.uniform(-3, 3, shape).astype(np.float32)
    yield (rng.integers(-8, 8, shape) / 8).astype(np.float32)
    yield np.zeros(shape, np.float32)


#: Elementwise, of QKeras's master and qkeras-v3 alone.
LATER = tuple(
    chain(
        grid(
            "quantized_linear",
            bits=WIDTHS,
            integer=(-2, 0, 3),
            symmetric=FLAG,
            keep_negative=FLAG,
            alpha=(None, 0.3, 0.5),
        ),
        grid(
            "quantized_linear",
            bits=(4, 20),
            alpha=([0.5, 1.0, 0.3, -2.0, 2.0, 7.1, 0.1],),
            qnoise_factor=NOISE,
        ),
        grid("quantized_linear", bits=(1, 4), alpha=(-0.7, 2), qnoise_factor=NOISE),
        grid("quantized_bits", bits=(1, 4, 9), integer=(-3, -1), alpha=(None, 0.3)),
        grid(
            "quantized_relu",
            bits=(1, 4, 8, 12),
            integer=(0, 2),
            enable_fast_inference=(True,),
            negative_slope=(0.0, 0.25),
        ),
    )
)
ENDS = (None, -4, -1)
#: Scales computed from a weight tensor, or frozen, of master and qkeras-v3 alone.
LATER_AUTOMATIC = tuple(
    chain(
        grid(
            "quantized_linear",
            bits=(1, 2, 3, 4, 8, 16),
            integer=(0, 2),
            symmetric=FLAG,
            keep_negative=FLAG,
            alpha=("auto", "auto_po2"),
        ),
        grid("quantized_linear", bits=(4,), alpha=("auto", "auto_po2"), qnoise_factor=(0.3,)),
        grid(
            "quantized_bits",
            bits=(4,),
            alpha=("auto", "auto_po2"),
            post_training_scale=(0.5, 0.3, 2.0),
        ),
        grid(
            "quantized_bits",
            bits=(2, 4),
            alpha=("auto_po2",),
            min_po2_exponent=ENDS,
            max_po2_exponent=ENDS,
        ),
        grid(
            "quantized_hswish",
            bits=(4,),
            alpha=("auto_po2",),
            min_po2_exponent=ENDS,
            max_po2_exponent=ENDS,
        ),
        grid("binary", alpha=("auto_po2",), min_po2_exponent=ENDS, max_po2_exponent=ENDS),
    )
)
#: Axes and groups that share a scale, for a kernel of `SHARED` shape.
SHARED = (3, 2, 6, 8)
SHARING = tuple(
    chain(
        grid(
            "quantized_bits",
            bits=(4,),
            alpha=("auto", "auto_po2"),
            scale_axis=(0, 1, 2, 3, [0, 3], [2, 3]),
        ),
        grid("quantized_linear", bits=(4,), alpha=("auto", "auto_po2"), scale_axis=(0, 1, 2, 3)),
        grid("binary", alpha=("auto", "auto_po2"), scale_axis=(0, 1, 2, 3)),
        grid(
            "quantized_bits",
            bits=(4,),
            alpha=("auto_po2",),
            scale_axis=(3,),
            elements_per_scale=(2, 4, 8),
            min_po2_exponent=(-3,),
            max_po2_exponent=(-1,),
        ),
        grid(
            "quantized_bits",
            bits=(4,),
            alpha=("auto_po2",),
            scale_axis=([2, 3],),
            elements_per_scale=([2, 4], [3, 2], 2),
        ),
        grid("binary", alpha=("auto_po2",), scale_axis=(2, 3), elements_per_scale=(2,)),
        grid(
            "quantized_bits",
            bits=(4,),
            alpha=("auto", "auto_po2"),
            post_training_scale=([[[[0.5, 0.25, 0.3, 1.0, 2.0, 0.7, 0.125, 0.1]]]],),
        ),
    )
)
