"""Packed weights: fewer bytes in the file, and the same program where it runs."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.stored import stored_weights
from qconvert.emit import to_onnx
from qconvert.emit.builder import Builder
from qconvert.errors import UsageError
from qconvert.ir import F32, Graph, Input, Node, Op, Output
from qconvert.ir.ops import Conv, Dense, Quantize, Recurrence, Reshape, Softmax
from qconvert.ir.quantizers import QuantizedRelu

from ..checking.deployed_models import graph_of
from .conftest import Make, execute

Codes = Callable[..., F32]
RELU = Quantize(QuantizedRelu(4, 2))
NONE = ((0, 0), (0, 0))


def kinds(model: onnx.ModelProto) -> set[str]:
    """The types of what is stored that takes less than bytes."""
    names = {TensorProto.DataType.Name(t.data_type) for t in model.graph.initializer}
    return names & {"INT2", "UINT2", "INT4", "UINT4"}


def between(conv: Conv) -> list[tuple[str, Op, list[str]]]:
    return [("q", RELU, ["x"]), ("conv", conv, ["q"]), ("out", RELU, ["conv"])]


@pytest.mark.parametrize(
    ("lo", "hi", "opset", "kind"),
    [
        (-8, 7, 21, {"INT4"}),
        (-7, 8, 21, set()),
        (-9, 7, 21, set()),
        (1, 15, 21, {"UINT4"}),
        (1, 16, 21, set()),
        (-1, 1, 21, {"INT4"}),
        (-1, 1, 25, {"INT2"}),
        (-2, 1, 25, {"INT2"}),
        (-1, 2, 25, {"INT4"}),
        (0, 3, 25, {"UINT2"}),
    ],
)
def test_the_narrowest_type_is_taken_that_holds_all_codes(
    make: Make, codes: Codes, lo: int, hi: int, opset: int, kind: set[str]
) -> None:
    kernel = codes(lo, hi, -4, 3, 3, 8, 8)
    # Both ends, and an odd number, so that the step is no other one.
    kernel.reshape(-1)[:3] = np.ldexp(np.array([lo, hi, 1], np.float32), -4)
    graph = make({"x": (6, 6, 8)}, between(Conv(kernel, None, (1, 1), (1, 1), NONE)))
    x = codes(0, 80, -2, 3, 6, 6, 8)
    plain, packed = to_onnx(graph, opset=opset), to_onnx(graph, opset=opset, packed=True)
    assert kinds(plain) == set()
    assert kinds(packed) == kind
    if kind:
        assert packed.ByteSize() < plain.ByteSize()
    expected, found = execute(plain, x), execute(packed, x)
    assert sorted(found.operators) == sorted(expected.operators)
    assert "QLinearConv" in found.operators
    for outputs in (found.plain, found.deployed):
        np.testing.assert_array_equal(outputs[0], expected.plain[0])


def products(codes: Codes) -> dict[str, list[tuple[str, Op, list[str]]]]:
    """Products of matrices, of integers and of the floats that a runtime likes to quantize."""
    dense = Dense(codes(-7, 7, -4, 32, 16), codes(-90, 90, -6, 16))
    rows, flat = Reshape((8, 32)), Reshape((256,))
    wide = Dense(codes(-7, 7, -4, 256, 16), codes(-90, 90, -6, 16))
    soft = Softmax(2)
    return {
        "integers": [("q", RELU, ["x"]), ("flat", flat, ["q"]), ("fc", wide, ["flat"])],
        "floats": [("flat", flat, ["x"]), ("fc", wide, ["flat"])],
        "integer rows": [("q", RELU, ["x"]), ("rows", rows, ["q"]), ("fc", dense, ["rows"])],
        "float rows": [("rows", rows, ["x"]), ("s", soft, ["rows"]), ("fc", dense, ["s"])],
    }


@pytest.mark.parametrize("name", ["integers", "floats", "integer rows", "float rows"])
@pytest.mark.parametrize("opset", [21, 25])
def test_products_of_matrices_run_as_with_bytes(
    make: Make, codes: Codes, name: str, opset: int
) -> None:
    """`execute` fails if ONNX Runtime makes one of them that quantizes by itself."""
    graph = make({"x": (4, 4, 16)}, products(codes)[name])
    x = codes(0, 80, -2, 3, 4, 4, 16)
    packed = to_onnx(graph, opset=opset, packed=True)
    assert kinds(packed) == {"INT4"}
    expected, found = execute(to_onnx(graph, opset=opset), x), execute(packed, x)
    assert sorted(found.operators) == sorted(expected.operators)
    for outputs in (found.plain, found.deployed):
        np.testing.assert_array_equal(outputs[0], expected.plain[0])


def test_weights_inside_of_loops_are_packed_too(make: Make, codes: Codes) -> None:
    state = (None, 32)
    body = Graph(
        "step",
        (Input("t", (None, 16)), Input("s", state)),
        (
            Node("q", RELU, ("s",), state),
            Node("one", Dense(codes(-7, 7, -4, 32, 32), None), ("q",), state),
        ),
        (Output("new", "one"),),
        (),
    )
    graph = make({"x": (4, 16)}, [("loop", Recurrence(body), ["x"])])
    packed = to_onnx(graph, packed=True)
    assert packed.ByteSize() < to_onnx(graph).ByteSize() - 400
    x = codes(0, 80, -2, 3, 4, 16)
    expected, found = execute(to_onnx(graph), x), execute(packed, x)
    np.testing.assert_array_equal(found.deployed[0], expected.plain[0])


def test_dequantized_as_they_are_they_would_not_run_on_integers(make: Make, codes: Codes) -> None:
    """What the cast is for: ONNX Runtime fuses nothing with weights of 4 bits."""
    kernel = codes(-7, 7, -4, 3, 3, 8, 64)
    graph = make({"x": (6, 6, 8)}, between(Conv(kernel, None, (1, 1), (1, 1), NONE)))
    model = to_onnx(graph, packed=True)
    (cast,) = (node for node in model.graph.node if node.op_type == "Cast")
    (reader,) = (node for node in model.graph.node if cast.output[0] in node.input)
    reader.input[:] = [cast.input[0], reader.input[1]]
    model.graph.node.remove(cast)
    found = execute(model, codes(0, 80, -2, 3, 6, 6, 8))
    assert "QLinearConv" not in found.operators


def test_few_weights_are_not_worth_an_operator(make: Make, codes: Codes) -> None:
    kernel = codes(-7, 7, -4, 3, 3, 2, 8)
    graph = make({"x": (6, 6, 2)}, between(Conv(kernel, None, (1, 1), (1, 1), NONE)))
    assert to_onnx(graph, packed=True).graph == to_onnx(graph).graph


def test_the_same_bits_of_two_types_are_two_constants() -> None:
    b = Builder(21)
    types = (TensorProto.INT4, TensorProto.UINT4)
    arrays = [np.ones(4).astype(onnx.helper.tensor_dtype_to_np_dtype(kind)) for kind in types]
    assert len({b.constant(array, "x") for array in arrays}) == 2


@pytest.mark.parametrize("file", ["mnist_cnn.keras", "jet_mlp.h5"])
def test_weights_of_a_file_are_found_whatever_they_take(file: str) -> None:
    graph = graph_of(file)
    found = stored_weights(Conversion(graph, to_onnx(graph, packed=True)))
    assert found
    for (layer, role), array in found.items():
        (own,) = (x for x in graph.layers if x.name == layer)
        np.testing.assert_array_equal(array, own.weights[role].effective)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"opset": 20}, "packed weights need opset 21 or later, and this is 20"),
        ({"dialect": "float"}, "the dialect 'float' has no integers for packed weights"),
    ],
)
def test_without_types_for_it_nothing_is_packed(
    make: Make, arguments: dict[str, int], told: str
) -> None:
    graph = make({"x": (4,)}, [("q", RELU, ["x"])])
    with pytest.raises(UsageError, match=told):
        to_onnx(graph, packed=True, **arguments)  # type: ignore[arg-type]


def test_a_packed_file_is_half_as_large() -> None:
    """Of a network of 4-bit weights, which are most of its file."""
    graph = graph_of("mnist_cnn.keras")
    plain, packed = to_onnx(graph), to_onnx(graph, packed=True)
    stored = [numpy_helper.to_array(t) for t in packed.graph.initializer]
    assert sum(array.size for array in stored if array.dtype.name == "int4") > 30000
    assert packed.ByteSize() < 0.6 * plain.ByteSize()
