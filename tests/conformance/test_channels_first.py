"""Layers with the channels first from a live model to numbers, which a CPU runs with oneDNN.

Bit for bit on whole numbers; pooling adds up floats in the same order, too.
"""

from types import ModuleType
from typing import Any

import pytest
from numpy.testing import assert_array_equal

from .stock_models import Case, build_model, deployed, floats, integers, reference, truth

#: Keras and QKeras warn of each other's habits.
pytestmark = pytest.mark.filterwarnings("ignore")

#: Lengths that differ, the number of channels among them.
SHAPES: dict[int, tuple[int, ...]] = {1: (4, 9), 2: (4, 9, 7), 3: (2, 4, 5, 3)}
BITS = "quantized_bits(4, 1, alpha=1)"
WINDOWS: tuple[dict[str, Any], ...] = (
    {},
    {"padding": "same", "strides": 2},
    {"padding": "same", "dilation_rate": 2},
)
CAUSAL: dict[str, Any] = {"padding": "causal", "dilation_rate": 2}
POOLING: tuple[dict[str, Any], ...] = (
    {"pool_size": 2},
    {"pool_size": 3, "strides": 2, "padding": "same"},
)
CONVOLUTION: dict[str, Any] = {"filters": 6, "kernel_size": 3}
SEPARABLE = CONVOLUTION | {"depthwise_quantizer": BITS, "pointwise_quantizer": BITS}

#: Class, spatial axes, options of all cases, cases.
LAYERS: tuple[tuple[str, int, dict[str, Any], tuple[dict[str, Any], ...]], ...] = (
    ("Conv1D", 1, CONVOLUTION, (*WINDOWS, CAUSAL, {"groups": 2})),
    ("Conv2D", 2, CONVOLUTION, (*WINDOWS, {"groups": 2})),
    ("Conv2DTranspose", 2, CONVOLUTION, WINDOWS[:2]),
    ("DepthwiseConv2D", 2, {"kernel_size": 3}, WINDOWS),
    ("SeparableConv1D", 1, CONVOLUTION, (*WINDOWS, CAUSAL)),
    ("SeparableConv2D", 2, CONVOLUTION, (*WINDOWS, {"depth_multiplier": 2})),
    ("MaxPooling1D", 1, {}, POOLING),
    ("MaxPooling2D", 2, {}, POOLING),
    ("MaxPooling3D", 3, {}, POOLING),
    ("AveragePooling1D", 1, {}, POOLING),
    ("AveragePooling2D", 2, {}, POOLING),
    ("AveragePooling3D", 3, {}, POOLING),
    ("QAveragePooling2D", 2, {}, (*POOLING, {"average_quantizer": BITS})),
    ("QSeparableConv1D", 1, SEPARABLE, WINDOWS),
    ("QSeparableConv2D", 2, SEPARABLE, WINDOWS),
)


def case_of(name: str, rank: int, options: dict[str, Any]) -> Case:
    def build(tf: Any, x: Any) -> Any:
        library = pytest.importorskip("qkeras") if name.startswith("Q") else tf.keras.layers
        return getattr(library, name)(data_format="channels_first", **options)(x)

    return Case(f"{name} {options}", build, (SHAPES[rank],))


CASES = [
    case_of(name, rank, {**shared, **options})
    for name, rank, shared, cases in LAYERS
    for options in cases
]
#: Sums of a window, in the order in which TensorFlow adds them with the channels last.
ANY_FLOATS = [case for case in CASES if "Pooling" in case.name]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_channels_first_on_whole_numbers(tf: ModuleType, case: Case) -> None:
    model = build_model(tf, case)
    for batch in (1, 7):
        x = integers(batch, *case.shapes[0], seed=90)
        expected = truth(model, [x])
        assert_array_equal(reference(model, [x]), expected)
        for found in deployed(model, [x]):
            assert_array_equal(found, expected)


@pytest.mark.parametrize("case", ANY_FLOATS, ids=[case.name for case in ANY_FLOATS])
def test_pooling_with_channels_first_on_floats(tf: ModuleType, case: Case) -> None:
    model = build_model(tf, case)
    x = floats(5, *case.shapes[0], seed=90)
    assert_array_equal(reference(model, [x]), truth(model, [x]))
