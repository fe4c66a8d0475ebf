"""Whether a sum of codes is rounded on ARM as the file says.

ONNX Runtime adds codes there in fixed point and rounds ties away from zero, elsewhere to even.
"""

from typing import Final

import onnx

from qconvert.checking.deployed.kernels import input_of, kind_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph

_SUM: Final = ("com.microsoft", "QLinearAdd")
#: The scales of what is added, and that of the result.
_SCALES: Final = (1, 4, 6)
_CONDITION: Final = (
    "on ARM needs optimizations off, or the dialect float: there sums of codes round ties away "
    "from zero"
)


def condition_of_sum(node: onnx.NodeProto, graph: OnnxGraph) -> str:
    """What has to hold where a sum of codes is to be exact; empty if nothing has to.

    Where every step of what is added is a multiple of the result's, nothing is rounded.
    """
    if kind_of(node) != _SUM:
        return ""
    scales = [graph.constant(input_of(node, place)) for place in _SCALES]
    steps = [float(scale) for scale in scales if scale is not None and scale.size == 1]
    if len(steps) == len(_SCALES) and not any(step % steps[-1] for step in steps[:-1]):
        return ""
    return _CONDITION
