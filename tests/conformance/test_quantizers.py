"""Every quantizer against the real QKeras, eagerly and bit for bit (+0 equals -0, NaN NaN)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, product
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.frontend.quantizers import quantizer
from qconvert.ir import F32, Quantizer
from qconvert.numerics import eigen, fold_batch_normalization, quantize

#: A function of TensorFlow, which has no types.
TensorFlow: TypeAlias = Any
Value: TypeAlias = int | float | str | bool | list[float] | None

WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 30)


@dataclass(frozen=True, slots=True)
class Case:
    """One configuration; its class and options as QKeras names them."""

    name: str
    options: Mapping[str, Value]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.options.items())})"

    @property
    def ours(self) -> Quantizer:
        result = quantizer({"class_name": self.name, "config": dict(self.options)}, "other")
        assert result is not None
        return result


def grid(name: str, **choices: tuple[Value, ...]) -> Iterator[Case]:
    """All combinations of the options' values."""
    for values in product(*choices.values()):
        yield Case(name, dict(zip(choices, values, strict=True)))


FLAG = (False, True)
SLOPES = (0.0, 0.25, 1.0)
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
        grid("quantized_tanh", bits=(*WIDTHS, 31), symmetric=FLAG, use_real_tanh=FLAG),
        grid("quantized_sigmoid", bits=WIDTHS, symmetric=FLAG, use_real_sigmoid=FLAG),
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
        grid(
            "quantized_bits",
            bits=(2, 3, 4, 6, 8, 12, 16, 24),
            integer=(0, 2),
            keep_negative=FLAG,
            alpha=("auto", "auto_po2"),
        ),
        grid("quantized_bits", bits=(1,), alpha=("auto_po2",)),
        grid("binary", use_01=FLAG, alpha=("auto", "auto_po2")),
        grid("ternary", alpha=("auto", "auto_po2"), number_of_unrolls=(1, 2, 5, 7)),
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
SHAPES = (
    (5,),
    (40,),
    (7, 3),
    (64, 10),
    (333, 16),
    (3, 4, 5),
    (3, 3, 8, 16),
    (3, 3, 5, 7),
    (1, 1, 64, 2),
)


@pytest.fixture(scope="module")
def qkeras(tf: ModuleType) -> ModuleType:
    return pytest.importorskip("qkeras.quantizers")


def ulps_around(x: F32, distance: int) -> F32:
    """All float32 numbers up to *distance* representations away from normal numbers."""
    offsets = np.arange(-distance, distance + 1, dtype=np.int32)
    bits: F32 = (x.view(np.int32)[:, np.newaxis] + offsets).view(np.float32).ravel()
    return bits


def inputs() -> F32:
    """Ties of all steps with their neighbours, powers of two, zeros, normals, tiny and big."""
    rng = np.random.default_rng(7)
    steps = np.exp2(np.arange(-16, 4, dtype=np.float32))
    halves = np.arange(0.5, 40, 0.5, dtype=np.float32)
    ties = ulps_around(np.outer(steps, halves).ravel(), 1)
    powers = ulps_around(np.exp2(np.arange(-40, 40, 0.5, dtype=np.float64)).astype(np.float32), 3)
    rest = [rng.normal(0, scale, 1000).astype(np.float32) for scale in (1e-3, 1, 100)]
    wide = (10.0 ** rng.uniform(-12, 12, 2000)).astype(np.float32)
    named = np.array([0, 1e-8, 1e-7, 0.33, 0.3, 1.05, 6, 1e30, 1e38], np.float32)
    positive = np.concatenate([ties, powers, *rest, wide, ulps_around(named[1:], 2), named])
    both = np.unique(np.concatenate([positive, -positive, -named]))
    return rng.permutation(both)[: both.size // 7 * 7]


INPUTS = inputs()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_elementwise(tf: TensorFlow, qkeras: ModuleType, case: Case) -> None:
    x = INPUTS.reshape(-1, 7)
    theirs = getattr(qkeras, case.name)(**case.options)(tf.constant(x)).numpy()
    assert_array_equal(quantize(case.ours, x), theirs)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(tf: TensorFlow, qkeras: ModuleType, name: str) -> None:
    ours = quantizer(name, "other")
    assert ours is not None
    theirs = getattr(qkeras, name)(tf.constant(INPUTS)).numpy()
    assert_array_equal(quantize(ours, INPUTS), theirs)


def weights(shape: tuple[int, ...]) -> Iterator[F32]:
    rng = np.random.default_rng(11)
    for scale in (0.05, 1.0, 30.0):
        yield rng.normal(0, scale, shape).astype(np.float32)
    yield rng.uniform(-1, 1, shape).astype(np.float32)
    yield (rng.integers(-8, 8, shape) / 8).astype(np.float32)
    yield np.zeros(shape, np.float32)


@pytest.mark.parametrize("case", AUTOMATIC, ids=str)
def test_automatic_scales(tf: TensorFlow, qkeras: ModuleType, case: Case) -> None:
    theirs = getattr(qkeras, case.name)(**case.options)
    for shape in SHAPES:
        for w in weights(shape):
            assert_array_equal(quantize(case.ours, w), theirs(tf.constant(w)).numpy())
