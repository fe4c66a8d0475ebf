"""A plain product of 8-bit matrices: what integers reach on this machine at all."""

from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

#: So large that starting it takes no part, so small that the caches hold it and that few calls
#: are interrupted: larger ones are not faster.
SIZE: Final = 512
MULTIPLICATIONS: Final = SIZE**3
INPUT: Final = "a"


def product() -> onnx.ModelProto:
    """uint8 times constant int8, with sums of 32 bits: `MatMulInteger`, square."""
    random = np.random.default_rng(0)
    factor = numpy_helper.from_array(random.integers(-64, 64, (SIZE, SIZE), np.int8), "b")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", [INPUT, "b"], ["sums"])],
        "product",
        [helper.make_tensor_value_info(INPUT, onnx.TensorProto.UINT8, [SIZE, SIZE])],
        [helper.make_tensor_value_info("sums", onnx.TensorProto.INT32, [SIZE, SIZE])],
        [factor],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9)


def factor() -> dict[str, np.ndarray[tuple[int, int], np.dtype[np.uint8]]]:
    """What it takes."""
    codes = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE), np.uint8)
    return {INPUT: codes}
