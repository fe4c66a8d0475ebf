"""The order in which the calls of a model can be computed."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from qconvert.frontend.problems import Malformed
from qconvert.frontend.topology import LayerSpec, ModelSpec, Ref


def call_order(model: ModelSpec) -> list[tuple[LayerSpec, int]]:
    """Every call of every layer as (layer, number), each behind those that it needs."""
    layers = {layer.name: layer for layer in model.layers}
    _check_layers(model)
    needs: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for layer in model.layers:
        for number, refs in enumerate(_inputs(layer)):
            for ref in refs:
                _check(ref, layers, f"layer {layer.name!r}")
            needs[layer.name, number] = [(ref.layer, ref.call) for ref in refs]
    for ref in (*model.inputs, *model.outputs):
        _check(ref, layers, f"model {model.name!r}")
    try:
        ordered = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        names = " -> ".join(name for name, _ in error.args[1])
        raise Malformed(f"the layers depend on themselves: {names}", "QC310") from None
    return [(layers[name], number) for name, number in ordered]


def _inputs(layer: LayerSpec) -> Iterator[tuple[Ref, ...]]:
    if layer.class_name == "InputLayer":
        yield ()
    else:
        yield from (call.inputs for call in layer.calls)


def _check_layers(model: ModelSpec) -> None:
    sources = {ref.layer for ref in model.inputs}
    for layer in model.layers:
        if layer.class_name == "InputLayer":
            if layer.name not in sources:
                raise Malformed(
                    f"{layer.name!r} is not among the inputs of {model.name!r}", "QC311"
                )
            if layer.calls:
                raise Malformed(f"the input {layer.name!r} has inputs itself", "QC311")
        elif not layer.calls:
            raise Malformed(f"the layer {layer.name!r} is not connected to anything", "QC313")
        elif any(not call.inputs for call in layer.calls):
            raise Malformed(f"the layer {layer.name!r} is called on nothing", "QC313")
        elif layer.name in sources:
            raise Malformed(
                f"{layer.name!r} is an input of {model.name!r}, but no InputLayer", "QC311"
            )


def _check(ref: Ref, layers: dict[str, LayerSpec], user: str) -> None:
    if ref.layer not in layers:
        raise Malformed(
            f"the {user} refers to the layer {ref.layer!r}, which does not exist", "QC311"
        )
    layer = layers[ref.layer]
    calls = 1 if layer.class_name == "InputLayer" else len(layer.calls)
    if not 0 <= ref.call < calls:
        raise Malformed(
            f"the {user} refers to a call of {ref.layer!r} that does not exist", "QC311"
        )
    if ref.tensor < 0 or (layer.outputs is not None and ref.tensor >= layer.outputs):
        raise Malformed(f"the {user} refers to result {ref.tensor} of {ref.layer!r}", "QC311")
