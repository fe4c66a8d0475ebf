"""``PruneLowMagnitude`` of tensorflow-model-optimization."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from qconvert.frontend.call import Call, LayerParser, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.problems import Malformed, Unsupported, short
from qconvert.frontend.weights import Weights

#: Positions of the variables that get a mask: ``get_prunable_weights`` of QKeras's layers, the
#: registry of tensorflow-model-optimization for others. Layers not listed get none.
_PRUNED: Final[Mapping[str, tuple[int, ...]]] = {
    "Conv1D": (0,),
    "Conv2D": (0,),
    "Conv2DTranspose": (0,),
    "Dense": (0,),
    "FQConv2D": (0,),
    "FQDense": (0,),
    "QConv1D": (0,),
    "QConv2D": (0,),
    "QConv2DBatchnorm": (0,),
    "QDense": (0,),
    "QDenseBatchnorm": (0,),
    "QDepthwiseConv2D": (0,),
    "QDepthwiseConv2DBatchnorm": (0,),
    "QSeparableConv1D": (0, 1),
    "QSeparableConv2D": (0, 1),
    "SeparableConv1D": (1,),
    "SeparableConv2D": (1,),
}


def prune_low_magnitude(layers: Mapping[str, LayerParser]) -> LayerParser:
    """The parser of the wrapper around one of *layers*.

    The wrapper overwrites kernels with ``kernel * mask`` before every call.
    """

    def parse(call: Call) -> Parsed:
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


def _inner(c: Config) -> tuple[str, Config]:
    """Class and configuration of the wrapped layer."""
    layer = c.raw("layer")
    c.ignore("pruning_schedule", "block_size", "block_pooling_type", "sparsity_m_by_n")
    c.done()
    match layer:
        case {"class_name": str(class_name), "config": dict(config)}:
            return class_name.removeprefix("qkeras>"), Config(config, c.flavour)
        case _:
            raise Malformed(f"layer={short(layer)} is not a layer")


def _with_stored(parsed: Parsed, inner: Weights, positions: tuple[int, ...]) -> Parsed:
    """The same with the weights as they are in the file, without the mask."""
    weights = dict(parsed.weights)
    for position, name in enumerate(parsed.weights):
        if position in positions:
            weights[name] = replace(weights[name], raw=inner.raw(position))
    return replace(parsed, weights=weights)
