"""Products of matrices of which a file keeps the sums of codes, held to be what these stand for."""

from collections.abc import Mapping

import numpy as np
import onnx

from qconvert.checking.deployed.kernels import (
    LINEAR,
    MATMUL_INTEGER,
    codes_of,
    input_of,
    kind_of,
)
from qconvert.checking.deployed.meaning import Meaning, given_codes, meaning_of
from qconvert.checking.deployed.onnx_graph import Array, OnnxGraph
from qconvert.checking.deployed.sums import multiplier, steps_of
from qconvert.emit.metadata import CodesTensor, ModelMetadata
from qconvert.ir import F32


def products_of(file: OnnxGraph, metadata: ModelMetadata) -> dict[str, F32]:
    """By the tensor of the sums, the numbers (inputs, outputs) that a product multiplies by.

    If it takes the codes in front of it for what these are; and what is behind it the sums, where
    these are the result of a layer.
    """
    given = given_codes(metadata)
    results = {x.codes.tensor: x.codes for x in metadata.layers if x.codes is not None}
    found = {
        node.output[0]: _kernel(node, file, given, _steps(node, file, results.get(node.output[0])))
        for node in file.nodes
        if kind_of(node) == MATMUL_INTEGER
    }
    return {name: kernel for name, kernel in found.items() if kernel is not None}


def _steps(product: onnx.NodeProto, file: OnnxGraph, result: CodesTensor | None) -> Array | None:
    """By channel the number that stands for a sum of 1: of no layer's, all that multiplies it."""
    if result is None:
        return multiplier(product, file)
    return steps_of(result, file) if not result.zero_point else None


def _kernel(
    node: onnx.NodeProto, file: OnnxGraph, given: Mapping[str, Meaning], by: Array | None
) -> F32 | None:
    places = LINEAR[MATMUL_INTEGER]
    codes, zero = codes_of(node, file), file.constant(input_of(node, places.zero))
    x_zero = file.constant(input_of(node, places.x_zero))
    known = meaning_of(node.input[0], file, given)
    if codes is None or zero is None or x_zero is None or known is None or by is None:
        return None
    if not x_zero.size == zero.size == 1 or int(np.squeeze(x_zero)) != known[1]:
        return None
    steps = codes.astype(np.int64) - int(np.squeeze(zero))
    kernel: F32 = (steps * by.astype(np.float64) / known[0]).astype(np.float32)
    return kernel
