"""Layers around a layer: ``TimeDistributed``, and pruning's ``PruneLowMagnitude``."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from qconvert.frontend.call import Call, LayerParser, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.problems import Malformed, Unsupported, short
from qconvert.frontend.weights import Weights
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
            raise Unsupported(f"PruneLowMagnitude around {class_name}")
        positions = _PRUNED.get(class_name, ())
        inner, own = call.weights.split(2 * len(positions) + 1)
        arrays = own.take_all(*("mask", "threshold") * len(positions), "pruning_step")
        masks = dict(zip(positions, arrays[::2], strict=True))
        wrapped = replace(call, class_name=class_name, config=config, weights=inner.masked(masks))
        return _with_stored(layers[class_name](wrapped), inner, positions)

    return parse


def time_distributed(layers: Mapping[str, LayerParser]) -> LayerParser:
    """The parser of ``TimeDistributed`` around one of *layers*, which sees every step alone."""

    def parse(call: Call) -> Parsed:
        class_name, config = _inner(call.config)
        inner = parse if class_name == call.class_name else layers.get(class_name)
        if inner is None:
            raise Unsupported(f"TimeDistributed around {class_name}")
        steps = tuple(None if shape is None else _step(shape) for shape in call.shapes)
        parsed = inner(replace(call, class_name=class_name, config=config, shapes=steps))
        if parsed.graph or parsed.before or len(steps) != 1:
            raise Unsupported(f"TimeDistributed around {class_name}, which is no chain of ops")
        length = call.shape()[1]
        if length is None or not all(call.shape()[2:]):
            raise Unsupported(f"TimeDistributed on {call.shape()}: it needs fixed lengths")
        if not parsed.ops:
            return parsed
        return replace(parsed, ops=(FoldTime(), *parsed.ops, UnfoldTime(length)))

    return parse


def _step(shape: Shape) -> Shape:
    if len(shape) < 3:
        raise Malformed(f"TimeDistributed takes at least 3 axes, its input has shape {shape}")
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
