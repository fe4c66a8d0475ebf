"""Products of matrices of which a file keeps the sums of codes, held to be what these stand for."""

from collections.abc import Mapping

import numpy as np

from qconvert.checking.deployed.kernels import (
    LINEAR,
    MATMUL_INTEGER,
    codes_of,
    input_of,
    kind_of,
)
from qconvert.checking.deployed.meaning import Meaning, given_codes, meaning_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.sums import are_in_steps
from qconvert.emit.metadata import CodesTensor, ModelMetadata
from qconvert.ir import F32


def products_of(file: OnnxGraph, metadata: ModelMetadata) -> dict[str, F32]:
    """By the tensor of the sums, the numbers (inputs, outputs) that a product multiplies by.

    If it takes the codes in front of it, and what is behind it the sums, for what these are.
    """
    given = given_codes(metadata)
    found = {
        layer.codes.tensor: _kernel(layer.codes, file, given)
        for layer in metadata.layers
        if layer.codes is not None
    }
    return {name: kernel for name, kernel in found.items() if kernel is not None}


def _kernel(sums: CodesTensor, file: OnnxGraph, given: Mapping[str, Meaning]) -> F32 | None:
    node = file.maker(sums.tensor)
    if node is None or kind_of(node) != MATMUL_INTEGER or sums.zero_point:
        return None
    places = LINEAR[MATMUL_INTEGER]
    codes, zero = codes_of(node, file), file.constant(input_of(node, places.zero))
    x_zero = file.constant(input_of(node, places.x_zero))
    known = meaning_of(node.input[0], file, given)
    if codes is None or zero is None or x_zero is None or known is None:
        return None
    if not x_zero.size == zero.size == 1 or int(np.squeeze(x_zero)) != known[1]:
        return None
    if not are_in_steps(sums, file):
        return None
    steps = codes.astype(np.int64) - int(np.squeeze(zero))
    numbers = np.ldexp(steps.astype(np.float64), np.array(sums.exp)) / known[0]
    kernel: F32 = numbers.astype(np.float32)
    return kernel
