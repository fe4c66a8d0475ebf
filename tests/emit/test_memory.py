"""The memory that the export of a large weight takes besides it."""

import tracemalloc

import numpy as np
import pytest

from qconvert.emit import to_onnx
from qconvert.ir import Graph
from qconvert.ir.ops import Dense, Quantize
from qconvert.ir.quantizers import QuantizedBits

from .conftest import Make

#: Of the weight itself: its codes of 32 bits, and bytes of them as they lie and as they are stored,
#: packed ones of which pass through two more forms. What ``abs`` of all or a copy takes is above.
MOST = 2.4


@pytest.fixture
def wide(make: Make) -> Graph:
    """A dense layer of 16 MB whose weights are codes of 4 bits."""
    kernel = np.random.default_rng(0).integers(-8, 8, (1024, 4096)).astype(np.float32)
    steps = [("q", Quantize(QuantizedBits(8, 0, alpha=1.0)), ["x"])]
    return make({"x": (1024,)}, [*steps, ("dense", Dense(kernel * np.float32(0.125), None), ["q"])])


@pytest.mark.parametrize("packed", [False, True])
def test_a_large_weight_takes_little_more_memory_than_its_codes(
    wide: Graph, *, packed: bool
) -> None:
    to_onnx(wide, packed=packed)  # all that is imported on the way
    tracemalloc.start()
    to_onnx(wide, packed=packed)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST * 4 * 1024 * 4096
