"""Pooling over windows and over everything."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qconvert.frontend.assembly import Assembly
from qconvert.frontend.call import Call, LayerParser, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.layers.windows import channels_first, channels_last, last, pooling_window
from qconvert.frontend.problems import Unsupported
from qconvert.ir.ops import Merge, Op, Pool, Reduce, Scale
from qconvert.ir.quantizers import Quantizer, is_data_dependent
from qconvert.ir.shapes import Shape
from qconvert.ir.stock import Divide
from qconvert.numerics import quantize

Kind = Literal["max", "mean"]


def pooling(kind: Kind, rank: int) -> LayerParser:
    """The parser of ``MaxPooling*D`` or ``AveragePooling*D``."""

    def parse(call: Call) -> Parsed:
        return _pooling(call, kind, rank, _no_tail)

    return parse


def global_pooling(kind: Kind, rank: int) -> LayerParser:
    """The parser of ``GlobalMaxPooling*D`` or ``GlobalAveragePooling*D``."""

    def parse(call: Call) -> Parsed:
        return _global_pooling(call, kind, rank, _no_tail)

    return parse


def global_average_pooling1d(call: Call) -> Parsed:
    """``GlobalAveragePooling1D``: the mean of the steps that a mask counts, if there is one."""
    if not any(call.masks):
        return _global_pooling(call, "mean", 1, _no_tail)
    first, keepdims = channels_first(call.config), call.config.flag("keepdims", default=False)
    if first:
        call.config.refuse("a mask reaches it, with data_format='channels_first'", "QC325")
    call.config.done()
    call.shape(3)
    whole = Assembly.of(call.known_shapes(), call.masks)
    steps, mask = whole.inputs
    total = Reduce("sum", (1,), keepdims)
    counted = whole.add(Merge("multiply"), steps, mask)
    mean = whole.add(Divide(), whole.add(total, counted), whole.add(total, mask))
    return Parsed(graph=whole.graph("layer", [mean]))


def q_average_pooling2d(call: Call) -> Parsed:
    """``QAveragePooling2D``: ``mean(x) * area * quantizer(1 / area)``; later ``mean(x * area)``."""
    return _pooling(call, "mean", 2, _quantized_tail(call, call.rank))


def q_global_average_pooling2d(call: Call) -> Parsed:
    """``QGlobalAveragePooling2D``: ``mean(x) * area * quantizer(1 / area)``, later ``sum(x)``."""
    rank = 4 if call.config.flag("keepdims", default=False) else 2
    return _global_pooling(call, "mean", 2, _quantized_tail(call, rank))


@dataclass(frozen=True, slots=True)
class _Around:
    """Ops before and behind the pooling; with *whole* it adds up and does not divide."""

    before: tuple[Op, ...] = ()
    behind: tuple[Op, ...] = ()
    whole: bool = False


#: What a quantized average needs around the pooling, by the area of a window.
_Tail = Callable[[int], _Around]


def _no_tail(_: int) -> _Around:
    return _Around()


def _quantized_tail(call: Call, rank: int) -> _Tail:
    quantizer = _average_quantizer(call.config)
    activation = call.config.activation("activation", qkeras=True, rank=rank)

    def tail(area: int) -> _Around:
        if quantizer is None:
            return _Around(behind=activation)
        factor = quantize(quantizer, np.array([1.0 / area], np.float32))
        if not factor.any():
            call.config.note(f"average_quantizer rounds 1/{area} to 0, and with it every average")
        times, scale = Scale(float(area)), Scale(float(factor[0]))
        if call.flavour.later:
            return _Around((times,), (scale, *activation), whole=True)
        return _Around(behind=(times, scale, *activation))

    return tail


def _average_quantizer(c: Config) -> Quantizer | None:
    quantizer = c.quantizer("average_quantizer", "other")
    if quantizer is not None and is_data_dependent(quantizer):
        c.refuse("average_quantizer: QKeras cannot run automatic scales on a single number")
    return quantizer


def _pooling(call: Call, kind: Kind, rank: int, tail: _Tail) -> Parsed:
    c = call.config
    window = pooling_window(c, rank)
    c.done()
    shape = last(call.shape(rank + 2), window.channels_first)
    pool = Pool(kind, window.size, window.strides, window.pads(shape))
    ops = channels_last((pool,), rank + 2, window.channels_first)
    around = tail(math.prod(window.size))
    return Parsed((*around.before, *ops, *around.behind))


def _global_pooling(call: Call, kind: Kind, rank: int, tail: _Tail) -> Parsed:
    c = call.config
    first, keepdims = channels_first(c), c.flag("keepdims", default=False)
    c.done()
    shape = call.shape(rank + 2)
    axes = tuple(range(2, rank + 2) if first else range(1, rank + 1))
    around = _Around() if tail is _no_tail else tail(_area(shape, axes))
    reduce = Reduce("sum" if around.whole else kind, axes, keepdims)
    return Parsed((reduce, *around.behind))


def _area(shape: Shape, axes: tuple[int, ...]) -> int:
    lengths = [length for axis in axes if (length := shape[axis]) is not None]
    if len(lengths) < len(axes):
        raise Unsupported("a quantized average over an axis of unknown length", code="QC318")
    return math.prod(lengths)
