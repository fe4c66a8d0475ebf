"""The graph that ONNX Runtime makes of a file: whether it computes what the file says.

Nothing in it may quantize by itself, and what it multiplies by are the numbers of the file, which
are compared with the effective weights elsewhere. Codes count as the numbers they stand for.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx

from qconvert.checking.deployed.drawn_file import DrawnFile, Layers
from qconvert.checking.deployed.kernels import (
    BLOCKED,
    LINEAR,
    Numbers,
    adds_bias_early,
    begins_with_others,
    bias_of,
    called,
    is_integer,
    kernel_of,
    kind_of,
    operator_of,
)
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.operators import KNOWN, QUANTIZING
from qconvert.checking.deployed.pooling import may_miss_ties, with_shapes
from qconvert.checking.deployed.saturation import condition_of
from qconvert.checking.deployed.ties import condition_of_sum


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about *layers*; about the whole file, if they cannot be told."""

    text: str
    layers: Layers

    def concerns(self, layers: Iterable[str]) -> bool:
        """Whether it is, or may be, about one of *layers*."""
        return not self.layers or not self.layers.isdisjoint(layers)


@dataclass(frozen=True, slots=True)
class DeployedGraph:
    """What no proof covers, and what has to hold where the file runs.

    A violation is an operator that computes something else than the file says, or may do so.
    Early biases are those that are added before a sum is finished, in the file or where it runs.
    ``kernels`` has by layer the linear operators that compute it.
    """

    violations: tuple[Remark, ...] = ()
    conditions: tuple[Remark, ...] = ()
    early_biases: tuple[Remark, ...] = ()
    kernels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def inspect_deployed(drawn: LayeredFile, made: onnx.ModelProto) -> DeployedGraph:
    """What is to be said of the graph *made* of the file *drawn*."""
    file, graph = DrawnFile(drawn), OnnxGraph(with_shapes(made).graph)
    violations: list[Remark] = []
    conditions: list[Remark] = []
    kernels: list[_Kernel] = []
    for outer in graph.nodes:
        layers = file.layers_of(outer, graph)
        for node, inner in graph.nested(outer):
            faults = _faults(node, inner, file, layers)
            violations += (Remark(f"{called(node)} {fault}", layers) for fault in faults)
            conditions += (Remark(text, layers) for text in [condition_of(node, inner)] if text)
            if kind_of(node) in LINEAR:
                kernels.append(_Kernel(node, layers, kernel_of(node, inner)))
            if text := condition_of_sum(node, inner):
                conditions.append(Remark(text, layers))
    violations += _lost(file, kernels, tuple(violations))
    return DeployedGraph(
        tuple(violations),
        tuple(dict.fromkeys(conditions)),
        tuple(dict.fromkeys(_early_biases(file, kernels))),
        _operators_by_layer(kernels),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Kernel:
    """A linear operator, and what it multiplies by if that is constant."""

    node: onnx.NodeProto
    layers: Layers
    numbers: Numbers | None


def _early_biases(file: DrawnFile, kernels: Sequence[_Kernel]) -> Iterator[Remark]:
    made = [(kernel.layers, kernel.node) for kernel in kernels if adds_bias_early(kernel.node)]
    for layers, node in (*file.early, *made):
        yield Remark(f"{called(node)} adds the bias before the sum is finished", layers)


def _operators_by_layer(kernels: Sequence[_Kernel]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for kernel in kernels:
        for layer in kernel.layers:
            found.setdefault(layer, {})[operator_of(kernel.node)] = None
    return {layer: tuple(names) for layer, names in found.items()}


def _faults(
    node: onnx.NodeProto, graph: OnnxGraph, file: DrawnFile, layers: Layers
) -> Iterator[str]:
    kind = kind_of(node)
    if kind in QUANTIZING:
        yield "quantizes what it multiplies while it runs"
        return
    if kind not in KNOWN and not (layers and layers <= file.opaque):
        yield "is an operator that no proof knows"
    if not all(map(_are_powers_of_two, _scales(node, graph, file, layers))):
        yield "rounds with scales that are no powers of two"
    if begins_with_others(node):
        yield "begins with results of another operator, which the file adds to the finished sum"
    if may_miss_ties(node, graph):
        yield "rounds ties of means to the wrong code, unless all are means of 2**n codes"
    yield from _wrong_numbers(node, graph, file, layers)


def _wrong_numbers(
    node: onnx.NodeProto, graph: OnnxGraph, file: DrawnFile, layers: Layers
) -> Iterator[str]:
    """Weights and a bias have to be the file's, floats also times one power of two.

    That ONNX Runtime takes from what follows a float operator, and it changes no rounding.
    """
    kernel, bias = kernel_of(node, graph), bias_of(node, graph)
    shifts = {0}
    if kernel is not None:
        found = {_shift(node, kernel, drawn) for drawn in _own(file.kernels, layers)}
        shifts = {s for s in found if s is not None and not (s and is_integer(node))}
    if not shifts:
        yield "has weights that the file has not"
    elif bias is not None and not any(
        _equal(node, bias, np.ldexp(drawn, s))
        for drawn in _own(file.addends, layers)
        for s in shifts
    ):
        yield "has a bias that the file has not"


def _own(numbers: Sequence[tuple[Layers, Numbers]], layers: Layers) -> list[Numbers]:
    """Those of *layers*; all, where nothing is known of these."""
    return [x for owners, x in numbers if not (layers and owners and layers.isdisjoint(owners))]


def _scales(
    node: onnx.NodeProto, graph: OnnxGraph, file: DrawnFile, layers: Layers
) -> Iterator[Numbers]:
    """The floats that an operator on codes takes: all of them but a bias are scales.

    Without that of a kernel whose operator stands in the file: how it rounds is judged there.
    """
    if not is_integer(node):
        return
    places, kernel = LINEAR.get(kind_of(node)), kernel_of(node, graph)
    known = {places.bias} if places else set()
    if places and kernel is not None:
        stated = _own(file.rounding, layers)
        known |= {places.scale} if any(_equal(node, kernel, one) for one in stated) else set()
    for place, name in enumerate(node.input):
        array = graph.constant(name)
        if place not in known and array is not None and array.dtype == np.float32:
            yield array.astype(np.float64)


def _are_powers_of_two(scales: Numbers) -> bool:
    return bool(np.all(np.frexp(scales)[0] == 0.5))


def _shift(node: onnx.NodeProto, number: Numbers, drawn: Numbers) -> int | None:
    """The power of two that makes *drawn* equal to *number*, if one does."""
    exp = _exponent(number) - _exponent(drawn)
    return exp if _equal(node, number, np.ldexp(drawn, exp)) else None


def _equal(node: onnx.NodeProto, number: Numbers, drawn: Numbers) -> bool:
    """Element by element; of weights in blocks only which numbers there are is known."""
    if kind_of(node) == BLOCKED:
        number, drawn = (np.sort(array[array != 0]) for array in (number, drawn))
    return np.array_equal(number.squeeze(), drawn.squeeze(), equal_nan=True)


def _exponent(numbers: Numbers) -> int:
    return math.frexp(float(np.abs(numbers).max(initial=0)))[1]


def _lost(
    file: DrawnFile, kernels: Sequence[_Kernel], violations: Sequence[Remark]
) -> Iterator[Remark]:
    """Weights of the file that no operator has, and that no violation explains."""
    found = [(kernel.node, kernel.numbers) for kernel in kernels if kernel.numbers is not None]
    for layers, drawn in file.kernels:
        told = any(violation.concerns(layers) for violation in violations)
        if not told and all(_shift(node, numbers, drawn) is None for node, numbers in found):
            yield Remark("no operator has the weights that the file has", layers)
