from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.testing import assert_array_equal
from onnx import TensorProto, helper, numpy_helper

from qconvert.errors import WitnessError
from qconvert.ir import F32
from qconvert.modelfile import DEFAULT_LIMITS
from qconvert.runners.foreign import Correspondence, ForeignRunner, Place, every_tensor

FIRST = (0, 3, 1, 2)
SAME = (0, 1, 2, 3)
SHAPE = (None, 2, 3, 4)
X: F32 = np.arange(5 * 24, dtype=np.float32).reshape(5, 2, 3, 4)


def file(
    steps: Sequence[tuple[str, list[str], str]],
    taken: tuple[int, list[int | str]],
    constants: Mapping[str, Any] = {},
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model that takes ``x`` and returns ``y``, of the same element type unless *kind* is set."""
    graph = helper.make_graph(
        [helper.make_node(op, inputs, [output]) for op, inputs, output in steps],
        "g",
        [helper.make_tensor_value_info("x", *taken)],
        [helper.make_tensor_value_info("y", kind, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def test_channels_in_front_and_joined_axes_come_in_keras_layout() -> None:
    model = file(
        [("Neg", ["x"], "n"), ("Reshape", ["n", "shape"], "flat"), ("Neg", ["flat"], "y")],
        (TensorProto.FLOAT, ["N", 4, 2, 3]),
        {"shape": np.array([0, 24])},
    )
    layers = {"neg": Place("n", SHAPE, FIRST), "flat": Place("flat", SHAPE, FIRST)}
    places = {"in": Place("x", SHAPE, FIRST)}, {"out": Place("y", SHAPE, FIRST)}
    trace = ForeignRunner(model, Correspondence(*places, layers)).run_layers({"in": X})
    assert_array_equal(trace.layers["neg"], -X)
    assert_array_equal(trace.layers["flat"], -X)
    assert_array_equal(trace.outputs["out"], X)


def test_an_open_axis_of_joined_axes_takes_what_is_left() -> None:
    place = Place("y", (None, None, 4), (0, 1, 2))
    assert_array_equal(place.in_keras(X.reshape(5, 24), 5), X.reshape(5, 6, 4))


def test_other_elements_come_as_they_are_so_that_they_differ() -> None:
    place = Place("y", (None, 5), (0, 1))
    assert place.in_keras(X, 5).shape == X.shape


@pytest.mark.parametrize("batch", [1, 2, 5, 8])
def test_a_file_that_takes_one_batch_only_gets_the_samples_in_pieces(batch: int) -> None:
    model = file([("Neg", ["x"], "n"), ("Neg", ["n"], "y")], (TensorProto.FLOAT, [batch, 2, 3, 4]))
    known = Correspondence(
        {"in": Place("x", SHAPE, SAME)},
        {"out": Place("y", SHAPE, SAME)},
        {"neg": Place("n", SHAPE, SAME)},
        batch=batch,
    )
    runner = ForeignRunner(model, known)
    assert_array_equal(runner.run_layers({"in": X}).layers["neg"], -X)
    assert_array_equal(runner.run_deployed({"in": X}).outputs["out"], X)


def typed(kind: int) -> ForeignRunner:
    known = Correspondence(
        {"in": Place("x", SHAPE, SAME)},
        {"out": Place("y", SHAPE, SAME)},
        kinds={"x": helper.tensor_dtype_to_np_dtype(kind)},
    )
    model = file([("Identity", ["x"], "y")], (kind, ["N", 2, 3, 4]), kind=kind)
    return ForeignRunner(model, known)


def test_a_file_in_double_is_fed_and_read() -> None:
    assert_array_equal(typed(TensorProto.DOUBLE).run_deployed({"in": X}).outputs["out"], X)


def test_numbers_that_its_type_does_not_hold_are_an_error() -> None:
    with pytest.raises(WitnessError, match="the file takes 'x' as float16 only"):
        typed(TensorProto.FLOAT16).run_deployed({"in": X + np.float32(2**-20)})


def test_codes_are_the_numbers_that_they_stand_for_and_weights_are_left_out() -> None:
    model = file(
        [
            ("DequantizeLinear", ["kernel", "scale"], "weight"),
            ("QuantizeLinear", ["x", "scale", "zero"], "codes"),
            ("Clip", ["codes", "zero", "hi"], "clipped"),
            ("Shape", ["x"], "sizes"),
            ("DequantizeLinear", ["clipped", "scale", "zero"], "act"),
            ("MatMul", ["act", "weight"], "y"),
        ],
        (TensorProto.FLOAT, ["N", 3]),
        {
            "kernel": np.eye(3, dtype=np.int8),
            "scale": np.float32(0.5),
            "zero": np.uint8(2),
            "hi": np.uint8(5),
        },
    )
    places = {"in": Place("x", (None, 3), (0, 1))}, {"out": Place("y", (None, 3), (0, 1))}
    x = np.array([[0.25, 0.5, 9], [-7, 1, 0.75]], np.float32)
    found = every_tensor(model, Correspondence(*places), {"in": x}, DEFAULT_LIMITS)
    assert list(found) == ["x", "codes", "clipped", "act", "y"]
    assert_array_equal(found["codes"], [[0, 0.5, 9], [-1, 1, 1]])
    assert_array_equal(found["clipped"], [[0, 0.5, 1.5], [0, 1, 1]])
    assert_array_equal(found["act"], found["clipped"])
