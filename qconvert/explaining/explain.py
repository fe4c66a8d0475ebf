"""One element of one layer, explained from values that the NumPy reference has computed."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qconvert.amounts import amount
from qconvert.errors import UsageError
from qconvert.exactness import Analysis
from qconvert.explaining.following import Scope, followed
from qconvert.explaining.results import Explanation, Index, Raw, Step
from qconvert.explaining.weights import base_name, call_name, compared, raw_op
from qconvert.ir import F32, Graph, Layer, Node
from qconvert.ir.ops import Opaque
from qconvert.reference import apply

#: Names that are suggested for one that is not known.
_SUGGESTIONS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A model and every value of it for a batch of ``samples``, of which ``sample`` is looked at.

    ``described`` says where that comes from; model and hash are those of the file.
    """

    model: str
    sha256: str
    graph: Graph
    values: Mapping[str, F32]
    analysis: Analysis
    described: str
    sample: int = 0


def layer_called(graph: Graph, name: str) -> Layer:
    """`UsageError` with similar names if there is none."""
    for layer in graph.layers:
        if layer.name == name:
            return layer
    if any(source.name == name for source in graph.inputs):
        raise UsageError("QC014", f"{name!r} is an input of the model, which no layer computes")
    names = [layer.name for layer in graph.layers]
    near = difflib.get_close_matches(name, names, _SUGGESTIONS, cutoff=0.4)
    hint = (
        f"did you mean {', '.join(near)}?"
        if near
        else f"inspect shows its {amount(len(names), 'layer')}"
    )
    raise UsageError("QC014", f"the model has no layer {name!r}; {hint}")


def explain(run: Run, name: str, at: Sequence[int] | None = None) -> Explanation:
    """The element *at*, an index without the batch, of a layer's result.

    Without one it is in the middle of all axes but the last, and the largest there that is not
    the largest of all, which a quantizer may have clipped. `UsageError` for a layer or an element
    that does not exist.
    """
    layer = layer_called(run.graph, name)
    value = run.values[layer.value]
    index = _telling(value[run.sample]) if at is None else _within(layer, value[run.sample], at)
    first, whole = _first(run.graph, layer), (run.sample, *index)
    scope = Scope(
        run.graph,
        run.values,
        _known(run.graph, layer),
        first.weights,
        run.analysis,
        run.sample,
        len(value),
    )
    steps, raw = _with_raw(scope, first, layer.value, whole)
    return Explanation(
        run.model,
        run.sha256,
        layer.name,
        layer.class_name,
        run.graph.shapes[layer.value],
        index,
        at is None,
        run.described,
        float(value[whole]),
        steps,
        raw,
        first.notes,
    )


def _known(graph: Graph, layer: Layer) -> set[str]:
    """The inputs and the results of other layers; a layer that does nothing has such a one."""
    name = call_name(layer.name)
    known = {other.value for other in graph.layers if call_name(other.name) != name}
    owner = next(other for other in graph.layers if other.value == layer.value)
    if call_name(owner.name) == name:
        known.discard(layer.value)
    return known | {source.name for source in graph.inputs}


def _telling(array: F32) -> Index:
    """An element of which there is something to tell."""
    if not array.size:
        raise UsageError("QC014", "there is nothing to explain: the result has no elements")
    if not array.ndim:
        return ()
    place = tuple(n // 2 for n in array.shape[:-1])
    magnitudes = abs(array[place])
    below = np.where(magnitudes < abs(array).max(), magnitudes, 0)
    return (*place, int(np.argmax(below if below.any() else magnitudes)))


def _within(layer: Layer, array: F32, at: Sequence[int]) -> Index:
    """*at* with negative numbers counted from the end, as in Python."""
    lengths = array.shape
    fits = len(at) == len(lengths) and all(-n <= i < n for i, n in zip(at, lengths, strict=True))
    if not fits:
        shown = ",".join(map(str, at))
        raise UsageError(
            "QC014",
            f"{layer.name!r} has no element {shown}: its result has the shape "
            f"{lengths}, without the batch",
        )
    return tuple(i % n for i, n in zip(at, lengths, strict=True))


def _first(graph: Graph, layer: Layer) -> Layer:
    """The call of the layer that has its weights and notes."""
    if layer.weights:
        return layer
    name = base_name(layer.name)
    return next((other for other in graph.layers if other.name == name), layer)


def _with_raw(
    scope: Scope, layer: Layer, value: str, index: Index
) -> tuple[tuple[Step, ...], Raw | None]:
    """The steps to an element, and what each would be with the stored weights, if there are any."""
    steps = followed(scope, value, index)
    if not layer.weights:
        return steps, None
    stored, weights = _raw_values(scope, value), compared(layer)
    if stored is None:
        return steps, Raw(None, weights)
    beside = tuple(_beside_raw(scope, step, stored) for step in steps)
    return beside, Raw(float(stored[value][index]), weights)


def _raw_values(scope: Scope, value: str) -> dict[str, F32] | None:
    """All values with the stored weights in this layer; ``None`` if they are not all known."""
    nodes = _between(scope, value)
    ops = [raw_op(node.op, scope.weights) for node in nodes]
    values = dict(scope.values)
    for node, op in zip(nodes, ops, strict=True):
        if op is None or isinstance(op, Opaque):
            return None
        values[node.name] = apply(op, *(values[name] for name in node.inputs))
    return values


def _beside_raw(scope: Scope, step: Step, raw: Mapping[str, F32]) -> Step:
    name, index = step.result.value, step.result.index
    return replace(step, raw=float(raw[name][scope.operand(name).stored(index, scope.sample)]))


def _between(scope: Scope, value: str) -> list[Node]:
    """The nodes of the layer, in order."""
    wanted, nodes = {value}, list[Node]()
    for node in reversed(scope.graph.nodes):
        if node.name in wanted and node.name not in scope.known:
            nodes.append(node)
            wanted |= set(node.inputs)
    return nodes[::-1]
