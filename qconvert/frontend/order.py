"""The order in which the calls of a model can be computed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from qconvert.frontend.problems import Malformed
from qconvert.frontend.topology import LayerSpec, ModelSpec, Ref


def call_order(model: ModelSpec) -> tuple[list[tuple[LayerSpec, int]], list[Malformed]]:
    """Every call of every layer as (layer, number), each behind those that it needs.

    And what is wrong with them; calls on nothing, in a circle or behind it are left out.
    """
    layers = {layer.name: layer for layer in model.layers}
    problems = list(_layers_unlike_any(model))
    needs: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for layer in model.layers:
        for number, refs in enumerate(_inputs(layer)):
            if not refs and layer.class_name != "InputLayer":
                continue
            wrong = dict(_wrong(refs, layers, f"layer {layer.name!r}"))
            problems += wrong.values()
            needs[layer.name, number] = [(ref.layer, ref.call) for ref in refs if ref not in wrong]
    ends = (*model.inputs, *model.outputs)
    problems += dict(_wrong(ends, layers, f"model {model.name!r}")).values()
    ordered, circle = _sorted(needs)
    if circle:
        words = f"the layers depend on themselves: {' -> '.join(circle)}"
        problems.append(Malformed(words, "QC310"))
    return [(layers[name], number) for name, number in ordered if (name, number) in needs], problems


def _sorted(
    needs: Mapping[tuple[str, int], Sequence[tuple[str, int]]],
) -> tuple[list[tuple[str, int]], list[str]]:
    """The calls that do not depend on themselves, and the names of some that do."""
    sorter, circle = TopologicalSorter(needs), list[str]()
    try:
        sorter.prepare()
    except CycleError as error:
        circle = [name for name, _ in error.args[1]]
    ordered: list[tuple[str, int]] = []
    while ready := sorter.get_ready():
        ordered += ready
        sorter.done(*ready)
    return ordered, circle


def _inputs(layer: LayerSpec) -> Iterator[tuple[Ref, ...]]:
    if layer.class_name == "InputLayer":
        yield ()
    else:
        yield from (call.inputs for call in layer.calls)


def _layers_unlike_any(model: ModelSpec) -> Iterator[Malformed]:
    sources = {ref.layer for ref in model.inputs}
    for layer in model.layers:
        if layer.class_name == "InputLayer":
            if layer.name not in sources:
                words = f"{layer.name!r} is not among the inputs of {model.name!r}"
                yield Malformed(words, "QC311")
            if layer.calls:
                yield Malformed(f"the input {layer.name!r} has inputs itself", "QC311")
        elif not layer.calls:
            yield Malformed(f"the layer {layer.name!r} is not connected to anything", "QC313")
        elif any(not call.inputs for call in layer.calls):
            yield Malformed(f"the layer {layer.name!r} is called on nothing", "QC313")
        elif layer.name in sources:
            words = f"{layer.name!r} is an input of {model.name!r}, but no InputLayer"
            yield Malformed(words, "QC311")


def _wrong(
    refs: Iterable[Ref], layers: Mapping[str, LayerSpec], user: str
) -> Iterator[tuple[Ref, Malformed]]:
    """Those of *refs* to what there is not."""
    for ref in refs:
        words = _missing(ref, layers)
        if words:
            yield ref, Malformed(f"the {user} refers to {words}", "QC311")


def _missing(ref: Ref, layers: Mapping[str, LayerSpec]) -> str:
    if ref.layer not in layers:
        return f"the layer {ref.layer!r}, which does not exist"
    layer = layers[ref.layer]
    if not layer.calls and layer.class_name != "InputLayer":
        return ""  # It is not connected to anything, which is said already.
    calls = 1 if layer.class_name == "InputLayer" else len(layer.calls)
    if not 0 <= ref.call < calls:
        return f"a call of {ref.layer!r} that does not exist"
    if ref.tensor < 0:
        return f"result {ref.tensor} of {ref.layer!r}"
    return ""
