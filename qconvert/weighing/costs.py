"""Products of a layer for one sample, and how wide their factors and sums are."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from qconvert.exactness import Analysis, analyse
from qconvert.ir import Graph, Grid, Node, Quotients, Shape, Weight
from qconvert.ir.graph import first_call
from qconvert.ir.ops import Conv, ConvTranspose, Dense, Recurrence
from qconvert.ir.stock import MatMul
from qconvert.weighing.accumulators import Accumulator, accumulator
from qconvert.weighing.weights import FLOAT_BITS, width_of
from qconvert.weighing.widths import Widths

#: Operations of which multiplications are counted; a loop has some in its body.
MULTIPLYING: Final = (Dense, Conv, ConvTranspose, MatMul, Recurrence)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a layer multiplies: ``None`` for counts that depend on sizes which are not known.

    Bits are those of the widest factors, 32 for floats; bit operations are multiplications times
    the bits of both factors. Of an ONNX file multiplications alone are known.
    """

    multiplications: int | None
    bit_operations: int | None = None
    weight_bits: int | None = None
    input_bits: int | None = None
    accumulator: Accumulator | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Product:
    """One operation that multiplies, which a loop may repeat; ``steps`` is 0 if not known."""

    node: Node
    widths: Widths
    shapes: Mapping[str, Shape]
    steps: int = 1


@dataclass(frozen=True, slots=True)
class _Counted:
    """How many multiplications, of numbers how wide."""

    multiplications: int | None
    weight_bits: int
    input_bits: int

    @property
    def bit_operations(self) -> int | None:
        """Each takes the bits of one factor for each of the other's."""
        if self.multiplications is None:
            return None
        return self.multiplications * self.weight_bits * self.input_bits


def costs(graph: Graph, domains: Mapping[str, Grid | Quotients] | None = None) -> dict[str, Cost]:
    """By layer, of those that multiply by weights or tensors; inputs lie on *domains*."""
    analysis = analyse(graph, domains)
    widths, shapes = Widths(graph, analysis), graph.shapes
    weights = {layer.name: layer.weights for layer in graph.layers}
    computing, found = graph.by_layer, dict[str, Cost]()
    for layer in graph.layers:
        nodes = computing[layer.name]
        products = [one for node in nodes for one in _products(node, widths, shapes)]
        if products:
            kernels = _kernels(weights.get(first_call(layer.name), {}))
            found[layer.name] = _cost(products, kernels, nodes, analysis)
    return found


def _kernels(weights: Mapping[str, Weight]) -> list[Weight]:
    return [weight for role, weight in weights.items() if role.endswith("kernel")]


def _cost(
    products: list[_Product], kernels: list[Weight], nodes: Sequence[Node], analysis: Analysis
) -> Cost:
    counted = _counted(products, kernels)
    multiplying = [node for node in nodes if isinstance(node.op, MULTIPLYING)]
    own = kernels if len(kernels) == len(multiplying) else [None] * len(multiplying)
    pairs = zip(multiplying, own, strict=True)
    accumulators = [one for node, kernel in pairs if (one := accumulator(node, analysis, kernel))]
    bounded = len(accumulators) == len(multiplying)
    return Cost(
        total(each.multiplications for each in counted),
        total(each.bit_operations for each in counted),
        max(each.weight_bits for each in counted),
        max(each.input_bits for each in counted),
        max(accumulators, key=lambda each: each.bits) if bounded else None,
    )


def total(counts: Iterable[int | None]) -> int | None:
    """The sum, if all are known."""
    listed = list(counts)
    known = [count for count in listed if count is not None]
    return sum(known) if len(known) == len(listed) else None


def _products(node: Node, widths: Widths, shapes: Mapping[str, Shape]) -> Iterator[_Product]:
    """The operations of a node, those of a loop's body among them."""
    if isinstance(node.op, Recurrence):
        steps, body = shapes[node.inputs[0]][1], node.op.body
        inside = widths.of_body(node)
        for inner in body.nodes:
            for one in _products(inner, inside, body.shapes):
                yield replace(one, steps=one.steps * (steps or 0))
    elif isinstance(node.op, MULTIPLYING):
        yield _Product(node, widths, shapes)


def _counted(products: list[_Product], kernels: list[Weight]) -> list[_Counted]:
    """With the weights in their order, where there is one for each product."""
    if len(products) == len(kernels):
        return [
            _count(one, w.effective.size, width_of(w))
            for one, w in zip(products, kernels, strict=True)
        ]
    widest = max(map(width_of, kernels), default=FLOAT_BITS)
    return [_count(one, None, widest) for one in products]


def _count(product: _Product, size: int | None, bits: int) -> _Counted:
    """Of a kernel of so many elements, which is less than the operation's where it holds zeros."""
    node, of = product.node, product.widths.of
    match node.op:
        case MatMul():
            inner = product.shapes[node.inputs[0]][-1]
            shape, size, bits = node.shape, inner, of(node.inputs[1])
        case ConvTranspose(kernel=kernel):
            shape, size = product.shapes[node.inputs[0]][:-1], size or kernel.size
        case Dense(kernel=kernel) | Conv(kernel=kernel):
            shape, size = node.shape[:-1], size or kernel.size
        case _:
            raise AssertionError(node.op)
    if None in shape[1:] or size is None or not product.steps:
        return _Counted(None, bits, of(node.inputs[0]))
    count = math.prod(n for n in shape[1:] if n) * size * product.steps
    return _Counted(count, bits, of(node.inputs[0]))
