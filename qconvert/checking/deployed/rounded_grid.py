"""The numbers that an operator of a file rounds others to."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import onnx

from qconvert.checking.deployed.kernels import input_of
from qconvert.checking.deployed.meaning import meaning_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.ir import Grid

#: The mantissa of powers of two.
_POWER: Final = 0.5


def rounded_grid(
    quantizer: onnx.NodeProto, cone: Sequence[onnx.NodeProto], file: OnnxGraph
) -> Grid | None:
    """The numbers that a quantizer and what clips its codes can return, if that is known."""
    meaning = meaning_of(quantizer.output[0], file, {})
    origin = file.constant(input_of(quantizer, 2))
    if meaning is None or origin is None:
        return None
    info = np.iinfo(origin.dtype)
    ends = [(int(info.min), int(info.max)), *_clipped(cone, file)]
    mantissa, exp = np.frexp(meaning[0])
    lows, highs = zip(*ends, strict=True)
    known = mantissa == _POWER
    return Grid(max(lows) - meaning[1], min(highs) - meaning[1], int(exp) - 1) if known else None


def _clipped(cone: Sequence[onnx.NodeProto], file: OnnxGraph) -> Iterator[tuple[int, int]]:
    """The ends of the ``Clip`` in a cone; where one is not known, nothing is left."""
    for node in cone:
        if node.op_type == "Clip":
            low, high = (file.constant(input_of(node, place)) for place in (1, 2))
            yield (0, -1) if low is None or high is None else (int(low), int(high))
