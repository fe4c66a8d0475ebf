"""Calls of an ONNX file's own functions are counted, and the numbers do not fill the memory."""

import tracemalloc

import onnx
import pytest

from qconvert.modelfile.inside.onnx_functions import require_few_calls
from qconvert.modelfile.inside.refusal import RefusalError

DEPTH = 10_000
#: A function is a set of names and a counter; a number of nodes without end is 5,000 bytes.
BYTES = 2000


def test_numbers_of_nodes_stay_small() -> None:
    """Each function calls the one before it 16 times: 2**40,000 nodes."""
    model = onnx.ModelProto()
    for i in range(DEPTH):
        body = model.functions.add(domain="own", name=f"f{i}").node
        body.extend([onnx.NodeProto(domain="own", op_type=f"f{i - 1}" if i else "Neg")] * 16)
    model.graph.node.add(domain="own", op_type=f"f{DEPTH - 1}")
    tracemalloc.start()
    try:
        with pytest.raises(RefusalError, match="too many nodes"):
            require_few_calls(model, 100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < BYTES * DEPTH
