"""Every quantizer against the real QKeras, eagerly and bit for bit (+0 equals -0, NaN NaN)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, product
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.frontend.quantizer_text import parse
from qconvert.frontend.quantizers import quantizer
from qconvert.ir import F32, Quantizer
from qconvert.numerics import eigen, fold_batch_normalization, quantize

#: A function of TensorFlow, which has no types.
TensorFlow: TypeAlias = Any
Value: TypeAlias = int | float | str | bool | list[float] | None

WIDTHS = (1, 2, 3, 4, 8, 16, 24, 30)


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


@pytest.fixture(scope="module")
def qkeras(tf: ModuleType) -> ModuleType:
    module: ModuleType = pytest.importorskip("qkeras")
    return module


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
CLASSES = sorted({case.name for case in CASES})


@pytest.mark.parametrize("name", CLASSES)
def test_elementwise(tf: TensorFlow, qkeras: ModuleType, name: str) -> None:
    x = INPUTS.reshape(-1, 7)
    tensor = tf.constant(x)
    for case in CASES:
        if case.name == name:
            theirs = getattr(qkeras, name)(**case.options)(tensor).numpy()
            assert_array_equal(quantize(case.ours, x), theirs, str(case))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(tf: TensorFlow, qkeras: ModuleType, name: str) -> None:
    ours = quantizer(name, "other")
    assert ours is not None
    theirs = getattr(qkeras, name)(tf.constant(INPUTS)).numpy()
    assert_array_equal(quantize(ours, INPUTS), theirs)


@pytest.mark.parametrize("length", [1, 7, 64])
@pytest.mark.parametrize("case", POSITIONS, ids=str)
def test_position_in_the_tensor(
    tf: TensorFlow, qkeras: ModuleType, case: Case, length: int
) -> None:
    """The last elements, up to seven, go through other code, around the steps too."""
    steps = np.exp2(np.arange(-6.5, 7, 1)).astype(np.float32)
    x = ulps_around(np.append(steps, np.array([0.3, 2.6], np.float32)), 4 * min(length, 8))
    theirs = getattr(qkeras, case.name)(**case.options)
    for part in np.resize(x, (len(x) // length + 1, length)):
        assert_array_equal(quantize(case.ours, part), theirs(tf.constant(part)).numpy())


def weights(shape: tuple[int, ...]) -> Iterator[F32]:
    """Random weights, weights full of ties, and none."""
    rng = np.random.default_rng(11)
    yield rng.normal(0, 0.05, shape).astype(np.float32)
    yield rng.uniform(-3, 3, shape).astype(np.float32)
    yield (rng.integers(-8, 8, shape) / 8).astype(np.float32)
    yield np.zeros(shape, np.float32)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_automatic_scales(tf: TensorFlow, qkeras: ModuleType, shape: tuple[int, ...]) -> None:
    for w in weights(shape):
        tensor = tf.constant(w)
        for case in AUTOMATIC:
            theirs = getattr(qkeras, case.name)(**case.options)(tensor).numpy()
            assert_array_equal(quantize(case.ours, w), theirs, str(case))


@pytest.mark.parametrize("alpha", ["auto", "auto_po2"])
@pytest.mark.parametrize("scale_axis", [0, 1, 2, 3])
def test_scale_axis(tf: TensorFlow, qkeras: ModuleType, alpha: str, scale_axis: int) -> None:
    case = Case("quantized_bits", {"bits": 4, "alpha": alpha, "scale_axis": scale_axis})
    theirs = qkeras.quantized_bits(**case.options)
    for w in weights((3, 2, 5, 8)):
        assert_array_equal(quantize(case.ours, w), theirs(tf.constant(w)).numpy())


#: Fewer channels than TensorFlow's vectors have, whose reciprocal root is the processor's.
FOLDED = (
    ("QConv2DBatchnorm", {"filters": 7}),
    ("QDepthwiseConv2DBatchnorm", {"depth_multiplier": 2}),
)


@pytest.mark.parametrize(("name", "options"), FOLDED)
@pytest.mark.parametrize(("use_bias", "scale"), [(True, True), (False, False)])
def test_folding(
    tf: TensorFlow,
    qkeras: ModuleType,
    name: str,
    options: Mapping[str, Value],
    use_bias: bool,
    scale: bool,
) -> None:
    layer = getattr(qkeras, name)(kernel_size=3, use_bias=use_bias, scale=scale, **options)
    layer.build((None, 8, 8, 3))
    normalization = layer.batchnorm
    normalization.build((None, 8, 8, 7 if name == "QConv2DBatchnorm" else 6))
    rng = np.random.default_rng(3)
    variables = {v.name.split("/")[-1].split(":")[0]: v for v in layer.weights}
    values = {k: rng.uniform(0.01, 4, v.shape).astype(np.float32) for k, v in variables.items()}
    for key, variable in variables.items():
        variable.assign(values[key])
    folded = fold_batch_normalization(
        values["depthwise_kernel" if "depthwise_kernel" in values else "kernel"],
        values.get("bias"),
        gamma=values.get("gamma"),
        beta=values["beta"],
        mean=values["moving_mean"],
        variance=values["moving_variance"],
        epsilon=normalization.epsilon,
        depthwise="depthwise_kernel" in values,
    )
    kernel, bias = layer.get_folded_weights()
    assert_array_equal(folded.kernel, kernel.numpy())
    assert_array_equal(folded.bias, bias.numpy())


#: Whether ``rsqrtps`` starts from Intel's table; other makers have their own.
INTEL = "GenuineIntel" in Path("/proc/cpuinfo").read_text(encoding="utf-8")


@pytest.mark.parametrize("size", [3, 8, 13, 1_000_003])
@pytest.mark.parametrize("name", ["log", "rsqrt", "sigmoid", "tanh"])
def test_eigen(tf: TensorFlow, name: str, size: int) -> None:
    ours: Mapping[str, Callable[[F32], F32]] = {
        "log": eigen.log,
        "rsqrt": eigen.reciprocal_sqrt,
        "sigmoid": eigen.sigmoid,
        "tanh": eigen.tanh,
    }
    rng = np.random.default_rng(size)
    if name in ("log", "rsqrt"):
        bits = rng.integers(0x00800000, 0x7F7FFFFF, size, dtype=np.int32)
        x = bits.view(np.float32)
    else:
        x = rng.normal(0, 4, size).astype(np.float32)
    y, theirs = ours[name](x), getattr(tf.math, name)(tf.constant(x)).numpy()
    if name == "rsqrt" and not INTEL:
        # Two approximations within 1.5 * 2**-12, squared by one step of Newton's method.
        assert (abs(y.astype(np.float64) - theirs) <= 2.0**-20 * y).all()
        return
    assert_array_equal(y, theirs)


TEXTS = (
    "quantized_bits(4)",
    "quantized_bits( 4 , 0 ,1)",
    "quantized_bits(4,0,1,alpha='auto')",
    'quantized_bits(4,0,alpha="auto_po2")',
    "quantized_bits(4,0,keep_negative=False,alpha=1)",
    "quantized_bits(6,alpha = 0.5, integer = 2 )",
    "quantized_relu(4,2,0,0.25)",
    "quantized_relu(4,relu_upper_bound=1e1,is_quantized_clip=0)",
    "quantized_po2(4,.5,log2_rounding='floor')",
    "quantized_po2(4,2.)",
    "binary(use_01=True,alpha=-1.5e-1)",
    "ternary()",
)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:qkeras")
def test_texts_are_read_as_safe_eval_reads_them(
    tf: TensorFlow, qkeras: ModuleType, text: str
) -> None:
    call = parse(text)
    args, kwargs = import_module("qkeras.safe_eval").GetParams(text[len(call.name) :])
    assert (list(call.args), call.kwargs) == (args, kwargs)
    assert [type(v) for v in call.kwargs.values()] == [type(v) for v in kwargs.values()]
