"""Weights on no grid that are integers times one number a channel."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.emit import to_onnx
from qconvert.emit.multiples import multiples
from qconvert.emit.weights import weight_of
from qconvert.ir import F32
from qconvert.ir.ops import Conv, ConvTranspose, Dense, Op

from .conftest import Make, execute

RANDOM = np.random.default_rng(0)


def scaled(shape: tuple[int, ...], most: int, axis: int = -1) -> F32:
    """Codes of up to *most*, times another number for each channel."""
    codes = RANDOM.integers(-most, most, shape, endpoint=True).astype(np.float32)
    factors = np.exp(RANDOM.normal(0, 3, shape[axis])).astype(np.float32)
    return codes * factors.reshape([-1 if i == axis % len(shape) else 1 for i in range(len(shape))])


@pytest.mark.parametrize("most", [1, 2, 7, 127])
@pytest.mark.parametrize("axis", [0, 1, 3])
def test_codes_and_factors_give_every_number_again(most: int, axis: int) -> None:
    array = scaled((40, 12, 3, 17), most, axis)
    found = multiples(array, axis)
    assert found is not None
    assert found.codes.dtype == np.int8
    np.testing.assert_array_equal(found.codes.astype(np.float32) * found.factors, array)


@pytest.mark.parametrize(
    ("codes", "factor"), [([3, 6, 7], "0x1.b39a34p-8"), ([3, 4, 6], "0x1.f3f49cp+1")]
)
def test_a_factor_that_is_next_to_what_the_numbers_tell(codes: list[int], factor: str) -> None:
    array = np.array(codes, np.float32)[:, np.newaxis] * np.float32(float.fromhex(factor))
    found = multiples(array, 1)
    assert found is not None
    np.testing.assert_array_equal(found.codes[:, 0], codes)


def test_a_channel_of_zeros_has_any_factor() -> None:
    array = scaled((30, 4), 7)
    array[:, 1] = 0
    found = multiples(array, 1)
    assert found is not None
    assert not found.codes[:, 1].any()


@pytest.mark.parametrize("number", [np.nan, np.inf, 3e38, 1e-45, 0.3])
def test_one_number_beside_the_others_keeps_all_of_them_floats(number: float) -> None:
    array = scaled((30, 4), 7)
    array[7, 2] = number
    assert multiples(array, 1) is None


def test_a_number_that_is_rounded_otherwise_is_none() -> None:
    array = scaled((300, 4), 7)
    array[7, 2] = np.nextafter(array[array[:, 2] != 0, 2][0], np.float32(np.inf))
    assert multiples(array, 1) is None


def test_codes_beyond_a_byte_are_none() -> None:
    array = np.arange(-128, 129, dtype=np.float32)[:, np.newaxis] * np.float32(0.3)
    assert multiples(array, 1) is None
    assert multiples(array[1:-1], 1) is not None


@pytest.mark.parametrize(
    ("op", "given"),
    [
        (Dense(scaled((30, 20), 7), None), (30,)),
        (Dense(scaled((30, 20), 7), np.full(20, 0.3, np.float32)), (4, 30)),
        (Conv(scaled((3, 3, 5, 8), 7), None, (1, 1), (1, 1), ((1, 1), (1, 1))), (6, 6, 5)),
        (
            ConvTranspose(scaled((3, 3, 8, 5), 7, 2), None, (2, 2), (1, 1), ((0, 0), (0, 0))),
            (6, 6, 5),
        ),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_layers_multiply_by_the_numbers_and_files_hold_the_codes(
    make: Make, op: Op, given: tuple[int, ...], packed: bool
) -> None:
    graph = make({"x": given}, [("y", op, ["x"])])
    model = to_onnx(graph, packed=packed)
    kind = onnx.TensorProto.INT4 if packed else onnx.TensorProto.INT8
    (stored,) = (each for each in model.graph.initializer if each.name == "y/kernel")
    assert stored.data_type == kind
    weight = weight_of(op)
    assert weight is not None
    kernel = OnnxGraph(model.graph).constant("y/Mul")
    assert kernel is not None
    np.testing.assert_array_equal(
        kernel,
        weight.array.T
        if any(each.op_type == "Gemm" for each in model.graph.node)
        else weight.array,
    )
    ran = execute(model, RANDOM.integers(-4, 4, (3, *given)).astype(np.float32))
    np.testing.assert_array_equal(ran.plain[0], ran.deployed[0])


@pytest.mark.parametrize("shape", [(10, 12), (2, 300)])
def test_weights_that_would_take_as_much_stay_floats(make: Make, shape: tuple[int, int]) -> None:
    kernel = scaled(shape, 7)
    graph = make({"x": shape[:1]}, [("y", Dense(kernel, None), ["x"])])
    (stored,) = to_onnx(graph).graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(stored).T, kernel)
