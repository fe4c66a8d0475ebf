"""Layers around a layer: ``TimeDistributed``, and pruning's ``PruneLowMagnitude``."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from qconvert.frontend.assembly import Assembly, chained
from qconvert.frontend.call import Call, LayerParser, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.layers.recurrent import KINDS
from qconvert.frontend.masks import Rule, rule_of
from qconvert.frontend.problems import Malformed, Unsupported, short
from qconvert.frontend.weights import Weights
from qconvert.ir.graph import Graph
from qconvert.ir.shapes import Shape
from qconvert.ir.stock import FoldTime, UnfoldTime

#: Positions of the variables that get a mask: ``get_prunable_weights`` of QKeras's layers, the
#: registry of tensorflow-model-optimization for others. Layers not listed get none.
_PRUNED: Final[Mapping[str, tuple[int, ...]]] = {
    "Conv1D": (0,),
    "Conv2D": (0,),
    "Conv2DTranspose": (0,),
    "Dense": (0,),
    "FQConv2D": (0,),
    "FQDense": (0,),
    "GRU": (0, 1),
    "LSTM": (0, 1),
    "QConv1D": (0,),
    "QConv2D": (0,),
    "QConv2DBatchnorm": (0,),
    "QDense": (0,),
    "QDenseBatchnorm": (0,),
    "QDepthwiseConv2D": (0,),
    "QDepthwiseConv2DBatchnorm": (0,),
    "QGRU": (0, 1),
    "QLSTM": (0, 1),
    "QSeparableConv1D": (0, 1),
    "QSeparableConv2D": (0, 1),
    "QSimpleRNN": (0, 1),
    "SeparableConv1D": (1,),
    "SeparableConv2D": (1,),
    "SimpleRNN": (0, 1),
}


def prune_low_magnitude(layers: Mapping[str, LayerParser]) -> LayerParser:
    """The parser of the wrapper around one of *layers*.

    The wrapper overwrites kernels with ``kernel * mask`` before every call.
    """

    def parse(call: Call) -> Parsed:
        call.config.ignore("pruning_schedule", "block_size", "block_pooling_type")
        call.config.ignore("sparsity_m_by_n")
        class_name, config = _inner(call.config)
        if class_name not in layers:
            raise Unsupported(f"PruneLowMagnitude around {class_name}", code="QC329")
        positions = _PRUNED.get(class_name, ())
        inner, own = call.weights.split(2 * len(positions) + 1)
        arrays = own.take_all(*("mask", "threshold") * len(positions), "pruning_step")
        masks = dict(zip(positions, arrays[::2], strict=True))
        wrapped = replace(call, class_name=class_name, config=config, weights=inner.masked(masks))
        if any(call.masks) and class_name not in KINDS:
            raise Unsupported(f"a mask reaches it, which it hands to {class_name}", code="QC325")
        # The wrapper hands a mask in, but not out.
        parsed = replace(layers[class_name](wrapped), masks={})
        if parsed.states:
            raise Unsupported("PruneLowMagnitude around a layer with stateful=True", code="QC329")
        return _with_stored(parsed, inner, positions)

    return parse


def time_distributed(layers: Mapping[str, LayerParser]) -> LayerParser:
    """The parser of ``TimeDistributed`` around one of *layers*, which sees every step alone."""

    def parse(call: Call) -> Parsed:
        class_name, config = _inner(call.config)
        inner = parse if class_name == call.class_name else layers.get(class_name)
        if inner is None:
            raise Unsupported(f"TimeDistributed around {class_name}", code="QC329")
        steps = tuple(None if shape is None else _step(shape) for shape in call.shapes)
        parsed = inner(replace(call, class_name=class_name, config=config, shapes=steps, masks=()))
        shape = call.shape()
        length = shape[1]
        if length is None or not all(shape[2:]):
            raise Unsupported(f"TimeDistributed on {shape}: it needs fixed lengths", code="QC329")
        graph = parsed.graph or chained([_step(shape)], parsed.before, parsed.ops)
        if len(graph.outputs) > 1:
            raise Unsupported(
                f"TimeDistributed around {class_name} with several results", code="QC329"
            )
        if any(call.masks) and rule_of(class_name) is not Rule.PASSES:
            # Keras raises, or repeats what the step before returned, in eager mode alone.
            raise Unsupported(
                f"a mask reaches it: TimeDistributed around {class_name}", code="QC325"
            )
        return _step_by_step(call, parsed, graph, length)

    return parse


def _step_by_step(call: Call, parsed: Parsed, graph: Graph, length: int) -> Parsed:
    """*graph*, which takes one step of its input and returns one tensor, on all of them.

    A mask is handed on by the layer inside.
    """
    whole = Assembly.of(call.known_shapes(), call.masks)
    value, *masks = whole.inputs
    if graph.nodes:
        (result,) = whole.inline(graph, whole.add(FoldTime(), value))
        value = whole.add(UnfoldTime(length), result)
    masked = dict(enumerate(masks))
    return Parsed(weights=parsed.weights, graph=whole.graph("layer", [value]), masks=masked)


def _step(shape: Shape) -> Shape:
    if len(shape) < 3:
        raise Malformed(
            f"TimeDistributed takes at least 3 axes, its input has shape {shape}", "QC315"
        )
    return (shape[0], *shape[2:])


def _inner(c: Config) -> tuple[str, Config]:
    """Class and configuration of the wrapped layer."""
    layer = c.raw("layer")
    c.done()
    match layer:
        case {"class_name": str(class_name), "config": dict(config)}:
            return class_name.removeprefix("qkeras>"), c.inside(config)
        case _:
            raise Malformed(f"layer={short(layer)} is not a layer")


def _with_stored(parsed: Parsed, inner: Weights, positions: tuple[int, ...]) -> Parsed:
    """The same with the weights as they are in the file, without the mask."""
    weights = dict(parsed.weights)
    for position, name in enumerate(parsed.weights):
        if position in positions:
            weights[name] = replace(weights[name], raw=inner.raw(position))
    return replace(parsed, weights=weights)
