"""Two Keras models: what they compute, whatever their files say and look like."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from itertools import zip_longest

import numpy as np

from qconvert.differing.aligning import by_name
from qconvert.differing.arrays import array_changes
from qconvert.differing.results import Change, Kind
from qconvert.ir import Graph, Layer, Node, Op, Quantizer, Shape, Weight, grid_of
from qconvert.ir.graph import first_call, in_order
from qconvert.ir.ops import Quantize
from qconvert.report.summary import describe


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """A layer with its operations, all values called as in the first model."""

    layer: Layer
    nodes: tuple[Node, ...]
    values: Mapping[str, str]

    @property
    def reads(self) -> list[str]:
        """The values that the operations compute from, one after the other."""
        if not self.nodes:
            return [self.values.get(self.layer.value, self.layer.value)]
        return [self.values.get(name, name) for node in self.nodes for name in node.inputs]


def model_changes(first: Graph, second: Graph) -> Iterator[Change]:
    """From the first to the second: interface, then layer by layer in order."""
    yield from interface_changes("input", _inputs(first), _inputs(second))
    yield from interface_changes("output", _outputs(first), _outputs(second))
    before, after = in_order(first), in_order(second)
    pairs = by_name(*([(x.name, x.class_name) for x in layers] for layers in (before, after)))
    same = {after[b].name: before[a].name for a, b in pairs if a is not None and b is not None}
    own, values = {x: x for x in first.shapes}, _called_as(first, second, same)
    changed: set[str] = set()
    for a, b in pairs:
        one = None if a is None else _side(first, before[a], own)
        other = None if b is None else _side(second, after[b], values)
        if one and other:
            yield from _layer_changes(one, other, changed)
        elif one:
            yield Change(one.layer.name, Kind.REMOVED, "", one.layer.class_name)
        elif other:
            yield Change(other.layer.name, Kind.ADDED, "", None, other.layer.class_name)
    yield from _other_ends(first, second, values)


def interface_changes(what: str, before: Sequence[str], after: Sequence[str]) -> Iterator[Change]:
    """By position."""
    for number, (one, other) in enumerate(zip_longest(before, after)):
        if one != other:
            kind = Kind.ADDED if one is None else Kind.REMOVED if other is None else Kind.CHANGED
            yield Change("", kind, f"{what} {number}", one, other)


def _inputs(graph: Graph) -> list[str]:
    return [f"{source.name} {_shown(source.shape)}" for source in graph.inputs]


def _outputs(graph: Graph) -> list[str]:
    return [f"{output.name} {_shown(graph.shapes[output.value])}" for output in graph.outputs]


def _called_as(first: Graph, second: Graph, same: Mapping[str, str]) -> dict[str, str]:
    """The names that values of the second model have in the first."""
    pairs = zip(second.inputs, first.inputs, strict=False)
    found = {other.name: one.name for other, one in pairs}
    for layer in second.layers:
        name = same.get(layer.name, layer.name)
        own = (node.name for node in second.by_layer[layer.name])
        found |= {value: name + value[len(layer.name) :] for value in own}
    return found


def _side(graph: Graph, layer: Layer, values: Mapping[str, str]) -> _Side:
    return _Side(layer, tuple(graph.by_layer[layer.name]), values)


def _layer_changes(one: _Side, other: _Side, changed: set[str]) -> Iterator[Change]:
    """*changed* collects layers with other weights, which further calls do not tell again."""
    before, after = one.layer, other.layer
    name = before.name
    if name != after.name:
        yield Change(name, Kind.RENAMED, "", name, after.name)
    if before.class_name != after.class_name:
        yield Change(name, Kind.CHANGED, "class", before.class_name, after.class_name)
    weights = list(weight_changes(name, before.weights, after.weights))
    if weights:
        changed.add(name)
    yield from _operation_changes(
        name, one.nodes, other.nodes, arrays=first_call(name) not in changed
    )
    yield from weights
    if one.reads != other.reads:
        yield Change(name, Kind.CHANGED, "inputs", ", ".join(one.reads), ", ".join(other.reads))


def weight_changes(
    layer: str, before: Mapping[str, Weight], after: Mapping[str, Weight]
) -> Iterator[Change]:
    """By role: quantizer, the numbers that are computed with, and those that are stored."""
    for role in dict.fromkeys((*before, *after)):
        one, other = before.get(role), after.get(role)
        if one is None or other is None:
            kind = Kind.ADDED if one is None else Kind.REMOVED
            yield Change(layer, kind, role, _weight(one), _weight(other))
            continue
        if one.quantizer != other.quantizer:
            texts = _quantizer(one.quantizer), _quantizer(other.quantizer)
            yield Change(layer, Kind.CHANGED, f"{role} quantizer", *texts)
        yield from array_changes(layer, role, one.effective, other.effective, step_of(one, other))
        if one.raw.shape == other.raw.shape:
            yield from array_changes(layer, f"{role} in the file", one.raw, other.raw)


def step_of(one: Weight, other: Weight) -> float | None:
    """The distance of neighbouring codes, if both have the same."""
    grids = [w.quantizer and grid_of(w.quantizer) for w in (one, other)]
    steps = {grid.step if grid else None for grid in grids}
    return steps.pop() if len(steps) == 1 else None


def _operation_changes(
    layer: str, before: Sequence[Node], after: Sequence[Node], *, arrays: bool
) -> Iterator[Change]:
    kinds = [", ".join(type(node.op).__name__ for node in nodes) for nodes in (before, after)]
    if kinds[0] != kinds[1]:
        yield Change(layer, Kind.CHANGED, "operations", kinds[0] or "none", kinds[1] or "none")
        return
    for one, other in zip(before, after, strict=True):
        place = f"{type(one.op).__name__} " if len(before) > 1 else ""
        yield from _option_changes(layer, place, one.op, other.op, arrays=arrays)


def _option_changes(
    layer: str, place: str, before: Op, after: Op, *, arrays: bool
) -> Iterator[Change]:
    """The fields of two operations of one kind; weights are arrays, and are compared elsewhere."""
    for field in fields(before):
        one, other = getattr(before, field.name), getattr(after, field.name)
        what = "quantizer" if isinstance(before, Quantize) else f"{place}{field.name}"
        if isinstance(one, Graph) and isinstance(other, Graph):
            yield from _body_changes(layer, one, other, arrays=arrays)
        elif _has_arrays(one) or _has_arrays(other):
            yield from _constant_changes(layer, what, one, other) if arrays else ()
        elif one != other:
            yield Change(layer, Kind.CHANGED, what, _text(one), _text(other))


def _has_arrays(value: object) -> bool:
    return isinstance(value, np.ndarray) or (
        isinstance(value, tuple) and any(isinstance(each, np.ndarray) for each in value)
    )


def _constant_changes(layer: str, what: str, before: object, after: object) -> Iterator[Change]:
    if isinstance(before, np.ndarray) and isinstance(after, np.ndarray):
        yield from array_changes(layer, what, before, after)
    elif isinstance(before, tuple) and isinstance(after, tuple) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from array_changes(layer, f"{what} {number}", one, other)
    else:
        yield Change(layer, Kind.CHANGED, what, _text(before), _text(after))


def _body_changes(layer: str, before: Graph, after: Graph, *, arrays: bool) -> Iterator[Change]:
    yield from _operation_changes(layer, before.nodes, after.nodes, arrays=arrays)
    reads = [[node.inputs for node in body.nodes] for body in (before, after)]
    ends = [[output.value for output in body.outputs] for body in (before, after)]
    if reads[0] != reads[1] or ends[0] != ends[1]:
        yield Change(layer, Kind.CHANGED, "inputs in a step", str(reads[0]), str(reads[1]))


def _other_ends(first: Graph, second: Graph, values: Mapping[str, str]) -> Iterator[Change]:
    """Outputs that are other values, by whatever name."""
    for number, (one, other) in enumerate(zip(first.outputs, second.outputs, strict=False)):
        value = values.get(other.value, other.value)
        if one.value != value:
            yield Change("", Kind.CHANGED, f"output {number} is the value", one.value, value)


def _weight(weight: Weight | None) -> str | None:
    return None if weight is None else f"shape {_shown(weight.raw.shape)}"


def _quantizer(quantizer: Quantizer | None) -> str:
    return "none" if quantizer is None else describe(quantizer)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes with SHA-256 {sha256(value).hexdigest()}"
    if isinstance(value, np.ndarray):
        return f"shape {_shown(value.shape)}"
    if is_dataclass(value) and not isinstance(value, type):
        return describe(value)  # type: ignore[arg-type]
    return "none" if value is None else str(value)


def _shown(shape: Shape) -> str:
    return "x".join("?" if n is None else str(n) for n in shape) or "scalar"
