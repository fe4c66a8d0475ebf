"""Products of which a file keeps the sums of codes, held to be what these stand for."""

from collections.abc import Mapping

import numpy as np
import onnx

from qconvert.checking.deployed.kernels import (
    LINEAR,
    RAW,
    Numbers,
    by_channel,
    in_steps,
    input_of,
    kind_of,
)
from qconvert.checking.deployed.meaning import Meaning, meaning_of, told_codes
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.scaled_sums import multiplied_by, steps_of
from qconvert.emit.metadata import CodesTensor, ModelMetadata


def products_of(file: OnnxGraph, metadata: ModelMetadata) -> dict[str, Numbers]:
    """By the tensor of the sums the kernel beside the numbers whose codes an operator reads.

    If it takes the codes in front of it for what these are, and what is behind it the sums, where
    these are the result of a layer. The layout is that of `kernel_of`.
    """
    given = told_codes(metadata)
    results = {x.codes.tensor: x.codes for x in metadata.layers if x.codes is not None}
    found = {
        node.output[0]: _kernel(node, file, given, results.get(node.output[0]))
        for node in file.nodes
        if kind_of(node) in RAW
    }
    return {name: kernel for name, kernel in found.items() if kernel is not None}


def _kernel(
    node: onnx.NodeProto,
    file: OnnxGraph,
    given: Mapping[str, Meaning],
    result: CodesTensor | None,
) -> Numbers | None:
    """In steps of the *result*; of sums that are no layer's, in all that multiplies them."""
    known = meaning_of(node.input[0], file, given)
    zero = file.constant(input_of(node, LINEAR[kind_of(node)].x_zero))
    if known is None or zero is None or zero.size != 1 or int(np.squeeze(zero)) != known[1]:
        return None
    by = multiplied_by(node, file) if result is None else steps_of(result, file)
    scale = by_channel(by, node, file)
    kernel = None if scale is None else in_steps(node, file, scale)
    return None if kernel is None else kernel / known[0]
