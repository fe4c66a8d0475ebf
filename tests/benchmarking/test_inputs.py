import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qconvert.benchmarking.inputs import OPEN, as_floats, batch_of, drawn, with_sizes
from qconvert.errors import LimitError, UsageError


def taking(kind: int, *sizes: int | str) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", kind, sizes)],
        [helper.make_tensor_value_info("y", kind, None)],
    )
    return helper.make_model(graph)


def test_floats_are_drawn_and_open_sizes_closed() -> None:
    arrays = drawn(taking(TensorProto.FLOAT, "batch", "steps", 3), 4)
    assert arrays["x"].shape == (4, OPEN, 3)
    assert arrays["x"].dtype == np.float32
    assert len(np.unique(arrays["x"])) > 700


def test_integers_take_all_values_of_their_type() -> None:
    found = drawn(taking(TensorProto.INT8, "batch", 4096), 4)["x"]
    assert (str(found.dtype), found.min(), found.max()) == ("int8", -128, 127)


def test_keras_takes_floats_where_a_file_takes_codes() -> None:
    codes = drawn(taking(TensorProto.UINT8, "batch", 5), 2)
    floats = as_floats(codes)
    assert (str(floats["x"].dtype), floats["x"].shape) == ("float32", (2, 5))
    same = drawn(taking(TensorProto.FLOAT, "batch", 5), 2)
    np.testing.assert_array_equal(as_floats(same)["x"], same["x"])


@pytest.mark.parametrize("batch", [1, 1 << 62])
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.INT8, TensorProto.DOUBLE])
@pytest.mark.parametrize("size", [1 << 61, 1 << 34])
def test_more_than_the_runtime_may_allocate_is_not_drawn(kind: int, size: int, batch: int) -> None:
    with pytest.raises(LimitError, match=r"the input 'x' of .* may allocate") as found:
        drawn(taking(kind, "batch", size), batch)
    assert found.value.code == "QC801"


def test_no_texts_are_drawn() -> None:
    with pytest.raises(UsageError, match="'x' is of type"):
        drawn(taking(TensorProto.STRING, "batch"), 1)


def test_the_batch_that_a_file_fixes_is_found() -> None:
    assert batch_of(taking(TensorProto.FLOAT, 8, 3)) == 8
    assert batch_of(taking(TensorProto.FLOAT, "batch", 3)) is None


def test_a_file_is_given_its_sizes() -> None:
    sized = with_sizes(taking(TensorProto.FLOAT, "batch", "steps", 3), 2)
    shape = sized.graph.input[0].type.tensor_type.shape
    assert [axis.dim_value for axis in shape.dim] == [2, OPEN, 3]
