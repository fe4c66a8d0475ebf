"""Whether sums are rounded on ARM as the file says.

ONNX Runtime adds codes there in fixed point and rounds ties away from zero, elsewhere to even. And
it rounds a bias and the product in front of it together, elsewhere one after the other.
"""

from typing import Final

import numpy as np
import onnx

from qconvert.checking.deployed.kernels import LINEAR, input_of, kind_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph

_SUM: Final = ("com.microsoft", "QLinearAdd")
#: The scales of what is added, and that of the result.
_SCALES: Final = (1, 4, 6)
_CONDITION: Final = (
    "on ARM needs optimizations off, or the dialect float: there sums of codes round ties away "
    "from zero"
)

_PRODUCT: Final = ("com.microsoft", "MatMulIntegerToFloat")
#: Where it matters: see `lined`.
TOGETHER: Final = (
    "on ARM needs optimizations off: there a product and what is added to it are rounded together"
)


def condition_of_sum(node: onnx.NodeProto, graph: OnnxGraph) -> str:
    """What has to hold where a sum is to be exact; empty if nothing has to.

    Where every step of codes that are added is a multiple of the result's, nothing is rounded, and
    products with powers of two are not.
    """
    if kind_of(node) == _PRODUCT:
        return TOGETHER if _rounds_twice(node, graph) else ""
    if kind_of(node) != _SUM:
        return ""
    scales = [graph.constant(input_of(node, place)) for place in _SCALES]
    steps = [float(scale) for scale in scales if scale is not None and scale.size == 1]
    if len(steps) == len(_SCALES) and not any(step % steps[-1] for step in steps[:-1]):
        return ""
    return _CONDITION


def _rounds_twice(product: onnx.NodeProto, graph: OnnxGraph) -> bool:
    places = LINEAR[_PRODUCT]
    if not input_of(product, places.bias):
        return False
    scales = (graph.constant(input_of(product, at)) for at in (places.x_scale, places.scale))
    return not all(scale is not None and np.all(np.frexp(scale)[0] == 0.5) for scale in scales)
