import onnx
import pytest

from qconvert.checking.onnx_file import require_interface_of, shape_of
from qconvert.emit import to_onnx
from qconvert.errors import UsageError
from qconvert.ir import Graph, Output


def test_outputs_in_another_order_are_refused(graph: Graph) -> None:
    """Programs that take results by position would get others."""
    outputs = (Output("a", "v1"), Output("b", "v2"))
    both = Graph(graph.name, graph.inputs, graph.nodes, outputs, graph.layers)
    model = to_onnx(both)
    require_interface_of(both, model)
    first = model.graph.output.pop(0)
    require_interface_of(both, model)
    model.graph.output.append(first)
    with pytest.raises(UsageError, match="in the order b, a, the model a, b"):
        require_interface_of(both, model)


def test_sizes_that_are_open_are_none_however_they_are_written() -> None:
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", -1, 0, 3, None])
    assert shape_of(value) == (None, None, 0, 3, None)
