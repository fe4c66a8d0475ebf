"""One layer cut out of a model in both its forms: the graph, and the ONNX file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, shape_inference
from onnx.utils import Extractor

from qconvert.checking.radius import Radius
from qconvert.checking.rounding import Mask, evaluate_bounded, explained
from qconvert.emit.metadata import (
    InputTensor,
    LayerTensor,
    ModelMetadata,
    add_metadata,
    read_metadata,
)
from qconvert.ir import F32, Graph, Layer, Node
from qconvert.ir.graph import in_order
from qconvert.ir.ops import Opaque
from qconvert.modelfile import DEFAULT_LIMITS, Limits
from qconvert.runners.cutting import stored, tensors_of
from qconvert.runners.interface import fed
from qconvert.runners.ort import OrtRunner

Array: TypeAlias = npt.NDArray[Any]

_INPUT: Final = "InputLayer"


@dataclass(frozen=True, slots=True)
class Point:
    """Where both forms are cut: a value of the graph, and the tensors that hold it.

    An ``interface`` is that of an input of the model, which may hold codes.
    """

    value: str
    tensors: LayerTensor
    interface: InputTensor | None = None

    @property
    def name(self) -> str:
        """The layer whose result it is, or the model's input."""
        return self.tensors.layer

    def stored(self, value: F32) -> dict[str, Array]:
        """The contents of the tensors for a result in Keras's layout."""
        if self.interface is not None:
            return fed([self.interface], {self.name: value})
        return stored(self.tensors, value)


@dataclass(frozen=True, slots=True, eq=False)
class Isolated:
    """A layer that computes from given results of other layers, by their names.

    ``points`` are all that either form reads; ``nodes`` is the graph's form, ``model`` the file's,
    which ``runner`` runs. ``alike`` says that the file reads nothing that the graph does not read.
    """

    layer: Layer
    points: tuple[Point, ...]
    nodes: tuple[Node, ...]
    model: onnx.ModelProto
    runner: OrtRunner
    alike: bool
    unseen: bool

    @property
    def evaluable(self) -> bool:
        """Whether the reference knows every operation of it."""
        return not any(isinstance(node.op, Opaque) for node in self.nodes)

    @property
    def tensors(self) -> LayerTensor:
        """Where the file holds the layer's result."""
        return next(x for x in self.runner.layers if x.layer == self.layer.name)

    def expected(self, inputs: Mapping[str, F32]) -> tuple[F32, Radius]:
        """The reference's result, and how far other correct programs may be from it."""
        known = {point.value: inputs[point.name] for point in self.points}
        value, radius = evaluate_bounded(self.nodes, self.layer.value, known, capped=self.unseen)
        return value, np.broadcast_to(radius, value.shape)

    def found(self, inputs: Mapping[str, F32], *, optimized: bool) -> F32:
        """The file's result, in Keras's layout; `WitnessError` if ONNX Runtime cannot run it."""
        fed = self.fed(inputs)
        return self.runner.run_alone(self.layer.name, fed, optimized=optimized)

    def fed(self, inputs: Mapping[str, F32]) -> dict[str, Array]:
        """What the file takes, by the names of its tensors."""
        kinds = {v.name: v.type.tensor_type.elem_type for v in self.model.graph.input}
        return {
            name: array.astype(helper.tensor_dtype_to_np_dtype(kinds[name]))
            for point in self.points
            for name, array in point.stored(inputs[point.name]).items()
            if name in kinds
        }

    def differs(self, inputs: Mapping[str, F32], *, optimized: bool) -> Mask:
        """Where the file's result is not explained by rounding of the reference's."""
        expected, radius = self.expected(inputs)
        return differing(self.found(inputs, optimized=optimized), expected, radius)


def differing(found: F32, expected: F32, radius: Radius) -> Mask:
    """Where results differ beyond *radius*: everywhere, if their shapes do."""
    if found.shape != expected.shape:
        return np.ones(expected.shape, np.bool_)
    return ~explained(found, expected, radius)


def isolate(
    graph: Graph, model: onnx.ModelProto, name: str, limits: Limits = DEFAULT_LIMITS
) -> Isolated | None:
    """Cut out the layer *name*; ``None`` where the file does not tell where it is.

    Its results are no larger than the *limits* allow.
    """
    metadata = read_metadata(model)
    layer = next((layer for layer in graph.layers if layer.name == name), None)
    held = {x.layer: x for x in metadata.layers if any(tensors_of(x))} if metadata else {}
    if layer is None or name not in held or layer.value not in {n.name for n in graph.nodes}:
        return None
    taken = {each.input: each for each in metadata.inputs} if metadata else {}
    points = _points(graph, held, layer, taken)
    part = _extracted(model, points, held[name])
    if part is None:
        return None
    nodes = _between(graph, layer.value, {point.value for point in points})
    read = {value for node in nodes for value in node.inputs}
    fed = {value.name for value in part.graph.input}
    used = [p for p in points if p.value in read or fed.intersection(tensors_of(p.tensors))]
    described = (*(p.tensors for p in used if p.tensors.class_name != _INPUT), held[name])
    add_metadata(part, ModelMetadata(described))
    return Isolated(
        layer,
        tuple(used),
        nodes,
        part,
        OrtRunner(part, limits),
        alike=all(point.value in read for point in used),
        unseen=bool({node.name for node in nodes[:-1]} & {x.value for x in graph.layers}),
    )


def _points(
    graph: Graph,
    held: Mapping[str, LayerTensor],
    layer: Layer,
    interface: Mapping[str, InputTensor],
) -> list[Point]:
    """Where both forms can be cut alike: each of the values and of the tensors once.

    Not at the layer itself, nor at what shares a tensor with it; numbers that are dequantized
    from codes stay so, as kernels for integers run between these.
    """
    points = [
        Point(
            source.name,
            LayerTensor(source.name, _INPUT, source.name, None, None),
            interface.get(source.name),
        )
        for source in graph.inputs
    ]
    values = {layer.value, *(point.value for point in points)}
    taken = {*tensors_of(held[layer.name]), *(point.name for point in points)}
    taken.update(name for each in interface.values() for name in each.numbers)
    for other in in_order(graph):
        tensors = held.get(other.name)
        if tensors is None or other.value in values or taken.intersection(tensors_of(tensors)):
            continue
        values.add(other.value)
        taken.update(tensors_of(tensors))
        by_codes = replace(tensors, tensor=None) if tensors.codes else tensors
        points.append(Point(other.value, by_codes))
    return points


def _between(graph: Graph, value: str, known: set[str]) -> tuple[Node, ...]:
    """The nodes that compute *value* from *known* ones, in order."""
    wanted, nodes = {value}, []
    for node in reversed(graph.nodes):
        if node.name in wanted:
            nodes.append(node)
            wanted |= set(node.inputs) - known
    return tuple(reversed(nodes))


def _extracted(
    model: onnx.ModelProto, points: Sequence[Point], own: LayerTensor
) -> onnx.ModelProto | None:
    """The part of the file between *points* and the layer, with the inputs that it reads."""
    extractor = Extractor(shape_inference.infer_shapes(model))
    stops = [name for point in points for name in tensors_of(point.tensors)]
    known = [name for name in stops if name in extractor.value_infos]
    try:
        part = extractor.extract_model(known, list(tensors_of(own)))
    except ValueError:
        # Nothing is known of a tensor, as behind operators of other domains.
        return None
    read = {name for node in part.graph.node for name in node.input}
    used = [value for value in part.graph.input if value.name in read]
    del part.graph.input[:]
    part.graph.input.extend(used)
    return part if part.graph.node else None
