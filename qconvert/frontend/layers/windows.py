"""Windows that slide over spatial axes: sizes, strides, padding and the layout of channels."""

import math
from dataclasses import dataclass

from qconvert.frontend.config import Config
from qconvert.frontend.problems import Unsupported
from qconvert.ir.ops import Op, Padding, Transpose
from qconvert.ir.shapes import Shape


@dataclass(frozen=True, slots=True)
class Window:
    """The geometry that convolutions and pooling share; tuples hold one number a spatial axis."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: str
    channels_first: bool

    def pads(self, shape: Shape) -> Padding:
        """Zeros before and after each spatial axis of a channels-last input."""
        lengths = shape[1:-1]
        axes = zip(lengths, self.size, self.strides, self.dilations, strict=True)
        match self.padding:
            case "same":
                return tuple(_same(*axis) for axis in axes)
            case "causal":
                return tuple((d * (k - 1), 0) for _, k, _, d in axes)
            case _:
                return ((0, 0),) * len(lengths)


def convolution_window(c: Config, rank: int, *paddings: str) -> Window:
    """The window of a convolution over *rank* spatial axes."""
    window = Window(
        size=c.integers("kernel_size", rank),
        strides=c.integers("strides", rank),
        dilations=c.integers("dilation_rate", rank, default=1),
        padding=c.choice("padding", *paddings),
        channels_first=channels_first(c),
    )
    if max(window.strides) > 1 and max(window.dilations) > 1:
        c.refuse(
            f"strides={window.strides} together with dilation_rate={window.dilations},"
            " which Keras cannot run"
        )
    return window


def pooling_window(c: Config, rank: int) -> Window:
    """The window of a pooling layer over *rank* spatial axes."""
    size = c.integers("pool_size", rank)
    strides = size if c.raw("strides") is None else c.integers("strides", rank)
    padding = c.choice("padding", "valid", "same")
    return Window(size, strides, (1,) * rank, padding, channels_first(c))


def channels_first(c: Config) -> bool:
    """Whether the channels are the first axis after the batch."""
    if c.raw("data_format") is None:
        return False
    return c.choice("data_format", "channels_last", "channels_first") == "channels_first"


def last(shape: Shape, first: bool) -> Shape:
    """The shape with the channels last."""
    return (shape[0], *shape[2:], shape[1]) if first else shape


def channels_last(ops: tuple[Op, ...], rank: int, first: bool) -> tuple[Op, ...]:
    """*ops* on a channels-last view of a tensor of *rank* axes."""
    return move_axis(ops, rank, 1 if first else rank - 1)


def move_axis(ops: tuple[Op, ...], rank: int, axis: int) -> tuple[Op, ...]:
    """*ops* between two transpositions that make *axis* the last one and put it back."""
    if axis == rank - 1:
        return ops
    there = (*(i for i in range(rank) if i != axis), axis)
    back = tuple(there.index(i) for i in range(rank))
    return (Transpose(there), *ops, Transpose(back))


def _same(length: int | None, size: int, stride: int, dilation: int) -> tuple[int, int]:
    """TensorFlow's rule: as many windows as strides fit, the odd zero goes behind."""
    if length is None and stride > 1:
        raise Unsupported("padding='same' with strides needs an input of fixed size", code="QC318")
    reach = (size - 1) * dilation + 1
    length = 1 if length is None else length
    total = max((math.ceil(length / stride) - 1) * stride + reach - length, 0)
    return total // 2, total - total // 2
