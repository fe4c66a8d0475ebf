"""Convolutions of a file that round their sums to codes themselves, held against the model.

A ``QLinearConv`` returns ``rint((accumulator + bias) * multiplier)``. Whatever stood between the
sums of a layer and its quantizer is in these numbers, so what they are is judged by what they do:
for every sum that the layer can have, the code is compared with that of the reference.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.checking.deployed.kernels import LINEAR, codes_of, input_of, kind_of
from qconvert.checking.deployed.meaning import Meaning, meaning_of
from qconvert.checking.deployed.onnx_graph import Array, OnnxGraph
from qconvert.checking.deployed.saturation import MOVING
from qconvert.emit.metadata import LayerTensor
from qconvert.exactness import Analysis, Sums, product_sums
from qconvert.ir import F32, Graph, Node
from qconvert.ir.ops import (
    Conv,
    ConvTranspose,
    Pool,
    Quantize,
    Relu,
    Reshape,
    Transpose,
    UpSample,
)
from qconvert.reference import apply
from qconvert.runners.cutting import tensors_of

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]

#: All sums of all channels together that are gone through.
_MOST_STATES: Final = 1 << 28
_CHUNK: Final = 1 << 18
_ROUNDING: Final = "QLinearConv"
#: What may stand beside the operator in its cone: nothing that computes.
_BESIDE: Final = MOVING | {"BitShift", "Clip", "DequantizeLinear", "Resize"}


@dataclass(frozen=True, slots=True, eq=False)
class RoundingKernel:
    """The numbers of a ``QLinearConv``, by output channel; ``ends`` are the codes that it leaves.

    ``weights`` (outputs, inputs / groups, *window) are without their zero point, and ``scales``
    are theirs.
    """

    node: onnx.NodeProto
    weights: Ints
    bias: Ints
    scales: F32
    x_scale: float
    y_scale: float
    zero: int
    ends: tuple[int, int]

    @property
    def multipliers(self) -> F32:
        """What sums become codes by, as the operator computes it."""
        return np.float32(self.x_scale) * self.scales / np.float32(self.y_scale)

    def factors(self, effective: F32) -> Numbers:
        """By channel what the *effective* weights are multiplied by; NaN where it is no number."""
        theirs = self.weights.reshape(len(self.weights), -1).astype(np.float64)
        ours = effective.reshape(theirs.shape).astype(np.float64)
        largest = np.argmax(abs(ours), axis=1)
        rows = np.arange(len(ours))
        divisor = ours[rows, largest]
        found = np.where(divisor == 0, 1.0, theirs[rows, largest] / np.where(divisor, divisor, 1.0))
        same = np.all(ours * found[:, np.newaxis] == theirs, axis=1)
        return np.where(same, found, np.nan)

    def likely(self, effective: F32) -> Numbers:
        """The operator's weights, in place of the *effective* ones.

        They are divided by what most of a kernel's weights are multiplied by; NaN where no number
        is that of most.
        """
        theirs = self.weights.reshape(len(self.weights), -1).astype(np.float64)
        ours = effective.reshape(theirs.shape).astype(np.float64)
        found = np.full(theirs.shape, np.nan)
        for row, mine, other in zip(found, ours, theirs, strict=True):
            told = mine != 0
            factors, counts = np.unique(other[told] / mine[told], return_counts=True)
            factor = factors[np.argmax(counts)] if len(counts) else 0.0
            if factor and 2 * counts.max() > np.count_nonzero(told):
                row[:] = np.where(mine * factor == other, mine, other / factor)
        return found.reshape(effective.shape)

    def products(self, sums: Numbers, factors: Numbers) -> Ints:
        """What the operator sums up, but for its bias, where the effective weights make *sums*."""
        return np.rint(sums * (factors / self.x_scale)).astype(np.int64)

    def results(self, sums: Numbers, factors: Numbers) -> F32:
        """What the operator returns where the effective weights make *sums* (n, channels)."""
        accumulators = self.products(sums, factors) + self.bias
        # Into int32 and on to float32, as the operator has it.
        scaled = accumulators.astype(np.int32).astype(np.float32) * self.multipliers
        codes = np.clip(np.rint(scaled) + np.float32(self.zero), *self.ends)
        result: F32 = ((codes - self.zero) * self.y_scale).astype(np.float32)
        return result


def rounding_kernel(
    cone: list[onnx.NodeProto], file: OnnxGraph, given: Mapping[str, Meaning]
) -> RoundingKernel | None:
    """The operator of a cone that rounds, with the ``Clip`` behind it, if all else moves codes.

    None where it takes codes for something else than these are; *given* is what inputs are.
    """
    working = [node for node in cone if file.constant(node.output[0]) is None]
    linear = [node for node in working if kind_of(node) in LINEAR]
    clips = [node for node in working if node.op_type == "Clip"]
    moving = all(x.op_type in _BESIDE and not x.domain for x in working if x not in linear)
    if len(linear) != 1 or linear[0].op_type != _ROUNDING or len(clips) > 1 or not moving:
        return None
    (node,) = linear
    shifted = any(x.op_type == "BitShift" and x.output[0] != node.input[0] for x in working)
    if shifted or any(clip.input[0] != node.output[0] for clip in clips):
        return None
    kernel = _kernel(node, clips, file)
    zero = file.constant(input_of(node, LINEAR[kind_of(node)].x_zero))
    if kernel is None or zero is None or zero.size != 1:
        return None
    known = meaning_of(node.input[0], file, given)
    return kernel if known == (kernel.x_scale, int(np.squeeze(zero))) else None


def _kernel(
    node: onnx.NodeProto, clips: list[onnx.NodeProto], file: OnnxGraph
) -> RoundingKernel | None:
    places = LINEAR[kind_of(node)]
    codes, zero = codes_of(node, file), file.constant(input_of(node, places.zero))
    scales = [file.constant(input_of(node, place)) for place in (1, 4, 6)]
    y_zero = file.constant(input_of(node, 7))
    if codes is None or zero is None or y_zero is None or any(s is None for s in scales):
        return None
    x_scale, w_scale, y_scale = (np.asarray(s, np.float32) for s in scales)
    ends = _ends(clips, file, y_zero)
    if ends is None:
        return None
    bias = file.constant(input_of(node, places.bias))
    channels = len(codes)
    origin = zero.astype(np.int64).reshape(-1, *[1] * (codes.ndim - 1))
    return RoundingKernel(
        node,
        codes.astype(np.int64) - origin,
        np.zeros(channels, np.int64) if bias is None else bias.astype(np.int64),
        np.broadcast_to(w_scale, (channels,)),
        float(x_scale),
        float(y_scale),
        int(y_zero),
        ends,
    )


def _ends(clips: list[onnx.NodeProto], file: OnnxGraph, zero: Array) -> tuple[int, int] | None:
    """What is left of the codes of the zero point's type; ``None`` if a bound is computed."""
    info = np.iinfo(zero.dtype)
    ends = [int(info.min), int(info.max)]
    for clip in clips:
        for i, name in enumerate(input_of(clip, place) for place in (1, 2)):
            bound = file.constant(name)
            if name and bound is None:
                return None
            ends[i] = ends[i] if bound is None else int(bound)
    return ends[0], ends[1]


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """What a kernel has to return: the reference's results for all sums of a convolution.

    Behind *linear* come *nodes*. ``effective`` are the weights as the operator has them, with one
    kernel for each of its ``sums``; several of a transposed convolution are of one channel.
    """

    linear: Node
    nodes: Sequence[Node]
    effective: F32
    sums: Sums

    @property
    def channels(self) -> int:
        """How many the result has: kernel ``i`` is of channel ``i % channels``."""
        return self.linear.shape[-1] or 1

    def states(self) -> Iterator[tuple[Numbers, F32]]:
        """All sums of products, and what the last node makes of them: (n, kernels), in parts."""
        counts = self.sums.hi - self.sums.lo + 1
        rows = max(1, _CHUNK // len(counts))
        for start in range(0, int(counts.max()), rows):
            codes = self.sums.lo + np.arange(start, start + rows)[:, np.newaxis]
            exact = np.ldexp(np.minimum(codes, self.sums.hi).astype(np.float64), self.sums.exp)
            expected = self.behind(exact)
            for node in self.nodes:
                expected = apply(node.op, expected)
            yield exact, expected.reshape(exact.shape)

    def behind(self, sums: Numbers) -> F32:
        """The convolution's results, (n, channels), for its sums of products."""
        assert isinstance(self.linear.op, Conv | ConvTranspose)
        bias = self.linear.op.bias
        result = sums.astype(np.float32).reshape(-1, self.channels)
        return result if bias is None else result + bias

    def right(self, kernel: RoundingKernel) -> tuple[Numbers, Mask]:
        """By kernel what effective weights are multiplied by (or NaN), and if all codes are these.

        They cannot be where the weights are no multiples.
        """
        factors = kernel.factors(self.effective)
        right: Mask = np.isfinite(factors)
        known = np.where(right, factors, 0.0)
        for sums, expected in self.states():
            right &= np.all(kernel.results(sums, known) == expected, axis=0)
        return factors, right


def demanded(graph: Graph, analysis: Analysis, end: str, kernel: RoundingKernel) -> Demand | None:
    """What *kernel* has to return as the value *end*.

    ``None`` where that is no function of one sum a channel, or these cannot all be gone through.
    """
    found = _epilogue(graph, end)
    if found is None:
        return None
    linear, nodes = found
    assert isinstance(linear.op, Conv | ConvTranspose)
    conv = _convolution(linear.op, kernel.weights)
    sums = None if conv is None else product_sums(replace(linear, op=conv), analysis.values)
    if conv is None or sums is None or len(sums.lo) != len(kernel.bias):
        return None
    if not _is_laid_out(kernel.node, conv):
        return None
    if int((sums.hi - sums.lo + 1).max()) * len(sums.lo) > _MOST_STATES:
        return None
    return Demand(linear, nodes, np.moveaxis(conv.kernel, (-1, -2), (0, 1)), sums)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """By channel, whether weights are the model's times one number, and codes for all sums.

    Kernels of a *transposed* convolution have their channels on the last axis but one. ``kernel``
    are the weights of another one, as far as they can be told (else NaN).
    """

    weights: Mask
    codes: Mask
    transposed: bool = False
    kernel: F32 | None = None


def judged(graph: Graph, analysis: Analysis, end: str, kernel: RoundingKernel) -> Judged | None:
    """Whether *kernel* returns the value *end*; ``None`` where that cannot be told."""
    demand = demanded(graph, analysis, end, kernel)
    if demand is None:
        return None
    factors, right = demand.right(kernel)
    # The kernels of one channel of a transposed convolution stand apart by all channels.
    weights, codes = (
        np.all(each.reshape(-1, demand.channels), axis=0) for each in (np.isfinite(factors), right)
    )
    if isinstance(demand.linear.op, ConvTranspose):
        return Judged(weights, codes, transposed=True)
    likely = np.moveaxis(kernel.likely(demand.effective), (0, 1), (-1, -2)).astype(np.float32)
    return Judged(weights, codes, kernel=likely)


def _is_laid_out(node: onnx.NodeProto, conv: Conv) -> bool:
    """Whether an operator visits the same elements as the convolution."""
    stated = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    begin, end = zip(*conv.padding, strict=True)
    ones, zeros = [1] * len(begin), [0] * (2 * len(begin))
    usual = {"strides": ones, "dilations": ones, "pads": zeros, "group": 1, "auto_pad": b"NOTSET"}
    wanted = {
        "strides": list(conv.strides),
        "dilations": list(conv.dilations),
        "pads": [*begin, *end],
        "group": conv.groups,
        "auto_pad": b"NOTSET",
    }
    return {name: (usual | stated)[name] for name in wanted} == wanted


def _convolution(op: Conv | ConvTranspose, weights: Ints) -> Conv | None:
    """What an operator with so many *weights* has to compute, with a kernel for each of its sums.

    In place of a transposed convolution with strides of s it has s * s kernels a channel, one for
    each place that an element of the result can have between those of the input.
    """
    if isinstance(op, Conv):
        return op if op.kernel.size == weights.size else None
    *window, outputs, inputs = op.kernel.shape
    if len(window) != 2 or len(set(op.strides)) != 1:
        return None
    stride, taps = op.strides[0], weights.shape[2:]
    kernel = np.zeros((*taps, inputs, stride, stride, outputs), np.float32)
    for row, column in np.ndindex(*(n * stride for n in taps)):
        if row < window[0] and column < window[1]:
            (back, place), (left, beside) = divmod(row, stride), divmod(column, stride)
            into = kernel[taps[0] - 1 - back, taps[1] - 1 - left]
            into[:, place, beside] = np.swapaxes(op.kernel[row, column], 0, 1)
    flat = kernel.reshape(*taps, inputs, -1)
    padding = tuple((n - 1, n - 1) for n in taps)
    return Conv(flat, None, (1, 1), (1, 1), padding) if flat.size == weights.size else None


def fusions(graph: Graph, layers: Sequence[LayerTensor]) -> dict[str, str]:
    """By layer the one whose operators compute it, of those that the file says this of rightly.

    Between the convolution and the value of that other one, and without tensors of their own.
    """
    values = {layer.name: layer.value for layer in graph.layers}
    held = {layer.layer for layer in layers if any(tensors_of(layer))}
    found: dict[str, str] = {}
    for layer in layers:
        end = layer.fused_into
        if end in held and layer.layer not in held and end in values and layer.layer in values:
            path = _path(graph, values[end])
            names = {node.name for node in path[:-1]} if path else set[str]()
            found |= {layer.layer: end} if values[layer.layer] in names else {}
    return found


def _epilogue(graph: Graph, end: str) -> tuple[Node, list[Node]] | None:
    """The convolution before *end*, and the ops between both that compute, in order."""
    path = _path(graph, end)
    return None if path is None else (path[0], [node for node in path[1:] if not _moves(node)])


def _path(graph: Graph, end: str) -> list[Node] | None:
    """The convolution before *end*, and all ops from there on, in order."""
    makers = {node.name: node for node in graph.nodes}
    nodes: list[Node] = []
    name, rising = end, True
    while name in makers:
        node = makers[name]
        nodes.append(node)
        if isinstance(node.op, Conv | ConvTranspose):
            return nodes[::-1]
        if len(node.inputs) != 1 or (isinstance(node.op, Pool) and not rising):
            return None
        # The largest of what falls is not what falls of the largest.
        rising &= isinstance(node.op, Quantize | Relu) or _moves(node)
        (name,) = node.inputs
    return None


def _moves(node: Node) -> bool:
    # Said here again: that these commute with rounding is a claim of the exporter's.
    match node.op:
        case Pool(kind="max") | Reshape() | Transpose() | UpSample():
            return True
        case _:
            return False
