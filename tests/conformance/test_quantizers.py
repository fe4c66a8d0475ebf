"""Every quantizer against the real QKeras, eagerly and bit for bit (+0 equals -0, NaN NaN)."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.frontend.quantizer_text import parse
from qconvert.frontend.quantizers import quantizer
from qconvert.ir import F32
from qconvert.numerics import eigen, fold_batch_normalization, quantize
from qconvert.runners.tf_worker.quantizers import quantized

from .quantizer_cases import (
    AUTOMATIC,
    CASES,
    FUNCTIONS,
    INPUTS,
    POSITIONS,
    SHAPES,
    Case,
    Value,
    ulps_around,
    weights,
)

#: A function of TensorFlow, which has no types.
TensorFlow: TypeAlias = Any


@pytest.fixture(scope="module")
def qkeras(tf: ModuleType) -> ModuleType:
    module: ModuleType = pytest.importorskip("qkeras")
    return module


CLASSES = sorted({case.name for case in CASES})


@pytest.mark.parametrize("name", CLASSES)
def test_elementwise(tf: TensorFlow, qkeras: ModuleType, name: str) -> None:
    x = INPUTS.reshape(-1, 7)
    tensor = tf.constant(x)
    for case in CASES:
        if case.name == name:
            theirs = getattr(qkeras, name)(**case.options)(tensor).numpy()
            assert_array_equal(quantize(case.ours(), x), theirs, str(case))


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
        assert_array_equal(quantize(case.ours(), part), theirs(tf.constant(part)).numpy())


@pytest.mark.parametrize("length", [1, 8, 7 * 300 + 3])
@pytest.mark.parametrize("case", POSITIONS, ids=str)
def test_in_a_loop_as_in_single_tensors(
    tf: TensorFlow, qkeras: ModuleType, case: Case, length: int
) -> None:
    """As the worker runs it; TensorFlow's optimizer of graphs would change ``quantized_ulaw``."""
    steps = np.exp2(np.arange(-6.5, 7, 1)).astype(np.float32)
    x = np.resize(ulps_around(np.append(steps, np.float32(0.3)), 40), length)
    theirs = getattr(qkeras, case.name)(**case.options)
    single = [theirs(tf.constant(x[i : i + 7])).numpy() for i in range(0, length, 7)]
    assert_array_equal(quantized(theirs, x, 7), np.concatenate(single))
    # Graphs of others are as fast as before.
    assert not tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_automatic_scales(tf: TensorFlow, qkeras: ModuleType, shape: tuple[int, ...]) -> None:
    for w in weights(shape):
        tensor = tf.constant(w)
        for case in AUTOMATIC:
            theirs = getattr(qkeras, case.name)(**case.options)(tensor).numpy()
            assert_array_equal(quantize(case.ours(), w), theirs, str(case))


@pytest.mark.parametrize("alpha", ["auto", "auto_po2"])
@pytest.mark.parametrize("scale_axis", [0, 1, 2, 3])
def test_scale_axis(tf: TensorFlow, qkeras: ModuleType, alpha: str, scale_axis: int) -> None:
    case = Case("quantized_bits", {"bits": 4, "alpha": alpha, "scale_axis": scale_axis})
    theirs = qkeras.quantized_bits(**case.options)
    for w in weights((3, 2, 5, 8)):
        assert_array_equal(quantize(case.ours(), w), theirs(tf.constant(w)).numpy())


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
