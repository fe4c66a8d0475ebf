from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qconvert.benchmarking.inputs import OPEN, as_floats, batch_of, drawn, require_few, with_sizes
from qconvert.errors import LimitError, UsageError
from qconvert.modelfile import DEFAULT_LIMITS


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


def test_no_texts_are_drawn() -> None:
    with pytest.raises(UsageError, match="'x' is of type"):
        drawn(taking(TensorProto.STRING, "batch"), 1)


@pytest.mark.parametrize(
    ("kind", "keras", "size"),
    [
        (TensorProto.INT8, False, 1),
        (TensorProto.INT8, True, 4),
        (TensorProto.INT64, False, 8),
        (TensorProto.FLOAT16, False, 4),
        (TensorProto.DOUBLE, False, 8),
    ],
)
def test_samples_are_counted_before_they_are_drawn(kind: int, keras: bool, size: int) -> None:
    """All batches together; of integers as many floats are drawn for Keras."""
    needed = (1 + 32) * OPEN * 3 * size
    model = taking(kind, "batch", "steps", 3)
    for spare in (0, 1):
        limits = DEFAULT_LIMITS.with_values({"tensor-bytes": needed + spare})
        require_few(Path("m.onnx"), model, (1, 32), limits, keras=keras)
    limits = DEFAULT_LIMITS.with_values({"tensor-bytes": needed - 1})
    told = r"m.onnx: calls with 1 and 32 samples \(--batch\) take .* bytes: .*--limit tensor-bytes"
    with pytest.raises(LimitError, match=told):
        require_few(Path("m.onnx"), model, (1, 32), limits, keras=keras)


def test_sizes_below_zero_are_open() -> None:
    """So that no other input may be the larger for it."""
    assert drawn(taking(TensorProto.FLOAT, -1, -3, 3), 2)["x"].shape == (2, OPEN, 3)


def test_the_batch_that_a_file_fixes_is_found() -> None:
    assert batch_of(taking(TensorProto.FLOAT, 8, 3)) == 8
    assert batch_of(taking(TensorProto.FLOAT, "batch", 3)) is None


def test_a_file_is_given_its_sizes() -> None:
    sized = with_sizes(taking(TensorProto.FLOAT, "batch", "steps", 3), 2)
    shape = sized.graph.input[0].type.tensor_type.shape
    assert [axis.dim_value for axis in shape.dim] == [2, OPEN, 3]
