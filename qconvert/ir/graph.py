"""A model as a graph of ops, and what makes such a graph valid."""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property

from qconvert.ir.ops import Op, Opaque, Quantize, Recurrence
from qconvert.ir.quantizers import Quantizer, is_data_dependent
from qconvert.ir.shapes import Shape, infer_shape
from qconvert.ir.types import F32


@dataclass(frozen=True, slots=True)
class Input:
    """A tensor that the user supplies; ``name`` is the Keras input layer's name."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation; ``name`` is also the name of its value, ``inputs`` name other values."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, slots=True, eq=False)
class Folding:
    """A weight with a batch normalization in it, by ``rsqrt``, before it is quantized.

    ``rsqrt`` depends on the processor, and with it every number of ``values``, by rounding in
    proportion to ``reach``: the sum of the magnitudes that the number is the sum of.
    """

    values: F32
    reach: F32


@dataclass(frozen=True, slots=True, eq=False)
class Weight:
    """A weight as the file stores it and as the layer computes with it (same shape)."""

    raw: F32
    effective: F32
    quantizer: Quantizer | None
    folding: Folding | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One call of one Keras layer, and the value that is its output.

    ``name`` is the path of layer names through nested models (``encoder/conv1``); the k-th
    further call of a shared layer or model has ``@k`` behind that part (``encoder@1/conv1``).
    Weights are listed with the first call only, by Keras's variable names (``kernel``), and so
    are ``notes``: what QKeras does that its user may not expect. ``frozen`` says that a scale
    which Keras computes from every batch is a number here.
    """

    name: str
    class_name: str
    value: str
    weights: Mapping[str, Weight] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """A result of the model; ``name`` is the Keras output layer's name."""

    name: str
    value: str


@dataclass(frozen=True, eq=False)
class Graph:
    """A whole model: nodes in topological order, every value named once.

    What is looked up in it is found out once, for all of thousands of layers.
    """

    name: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    layers: tuple[Layer, ...]

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """Shape of every value."""
        values: tuple[Input | Node, ...] = (*self.inputs, *self.nodes)
        return {value.name: value.shape for value in values}

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Where every value stands, the inputs before the nodes."""
        return {name: i for i, name in enumerate(self.shapes)}

    @cached_property
    def makers(self) -> Mapping[str, Node]:
        """The node that computes each value but the inputs."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def readers(self) -> Mapping[str, Sequence[Node]]:
        """The nodes that read each value, in order; of an output that nothing reads, none."""
        found: dict[str, list[Node]] = {name: [] for name in self.shapes}
        for node in self.nodes:
            for name in node.inputs:
                found[name].append(node)
        return found

    @cached_property
    def owners(self) -> Mapping[str, Layer]:
        """The layer that each value is the result of, the first one if there are several."""
        return {layer.value: layer for layer in reversed(self.layers)}

    @cached_property
    def by_layer(self) -> Mapping[str, Sequence[Node]]:
        """By the name of a layer the nodes that it computes, which are called like it.

        That is by its name, and more behind a colon.
        """
        found: dict[str, list[Node]] = {layer.name: [] for layer in self.layers}
        for node in self.nodes:
            ends = (i for i, character in enumerate(node.name) if character == ":")
            for name in dict.fromkeys((node.name, *(node.name[:end] for end in ends))):
                if name in found:
                    found[name].append(node)
        return found

    @cached_property
    def returned(self) -> Set[str]:
        """The values of the outputs."""
        return frozenset(output.value for output in self.outputs)

    @cached_property
    def needed(self) -> Set[str]:
        """The values that outputs depend on, these included."""
        wanted = set(self.returned)
        for node in reversed(self.nodes):
            if node.name in wanted:
                wanted.update(node.inputs)
        return wanted

    @cached_property
    def opaque(self) -> Mapping[str, str]:
        """The values that no reference can compute, with the converter that knows them."""
        return {node.name: node.op.converter for node in self.nodes if isinstance(node.op, Opaque)}


def in_order(graph: Graph) -> tuple[Layer, ...]:
    """The layers by the position of their value; layers that share a value keep their order."""
    return tuple(sorted(graph.layers, key=lambda layer: graph.positions[layer.value]))


def first_call(name: str) -> str:
    """The call of a layer that has its weights, of whichever call *name* is."""
    return re.sub(r"@\d+(?=/|$)", "", name)


def is_of_batch(op: Op) -> bool:
    """Whether *op* quantizes with a scale that depends on the batch."""
    return isinstance(op, Quantize) and is_data_dependent(op.quantizer)


def validate(graph: Graph, *, freezing: bool = False) -> None:
    """Raise `ValueError` unless *graph* is one that every consumer can rely on.

    *freezing* allows scales that depend on the batch, which are to become numbers.
    """
    known: dict[str, Shape] = {}
    values: tuple[Input | Node, ...] = (*graph.inputs, *graph.nodes)
    for value in values:
        if value.name in known:
            raise ValueError(f"two values are called {value.name!r}")
        if isinstance(value, Node):
            _validate_node(value, known, freezing)
        known[value.name] = value.shape
    users: tuple[Output | Layer, ...] = (*graph.outputs, *graph.layers)
    for user in users:
        if user.value not in known:
            raise ValueError(f"{user.name!r} refers to the unknown value {user.value!r}")
    if not graph.outputs:
        raise ValueError("the graph has no output")


def _validate_node(node: Node, known: Mapping[str, Shape], freezing: bool) -> None:
    missing = [name for name in node.inputs if name not in known]
    if missing or not node.inputs:
        raise ValueError(f"{node.name!r} reads {missing or 'nothing'} before it is computed")
    if is_of_batch(node.op) and not freezing:
        raise ValueError(f"{node.name!r} has a scale that depends on the batch")
    if isinstance(node.op, Recurrence):
        validate(node.op.body)
    inferred = infer_shape(node.op, *(known[name] for name in node.inputs))
    if inferred != node.shape:
        raise ValueError(f"{node.name!r} has shape {node.shape}, its op gives {inferred}")
