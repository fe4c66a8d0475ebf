"""Layers that move, add, repeat or drop elements."""

import math

from qconvert.frontend.call import Call, LayerParser, Parsed
from qconvert.frontend.layers.windows import channels_first, channels_last, last
from qconvert.frontend.problems import Malformed, Unsupported
from qconvert.ir.ops import Op, Pad, Reshape, Slice, Transpose, UpSample
from qconvert.ir.shapes import Shape
from qconvert.ir.stock import Resize


def flatten(call: Call) -> Parsed:
    """``Flatten``; ``channels_first`` puts the channels last before it."""
    first = channels_first(call.config)
    call.config.done()
    shape = call.shape()
    known = [length for length in shape[1:] if length is not None]
    size = math.prod(known) if len(known) == len(shape) - 1 else -1
    flat = Reshape((size,))
    if not first or len(shape) < 3:
        return Parsed((flat,))
    return Parsed((Transpose((0, *range(2, len(shape)), 1)), flat))


def reshape(call: Call) -> Parsed:
    """``Reshape``."""
    c = call.config
    target = c.raw("target_shape")
    if not isinstance(target, list | tuple) or not _is_shape(target):
        c.reject(f"target_shape={target!r} is not a shape")
    c.done()
    call.shape()
    return Parsed((Reshape(tuple(target if isinstance(target, list | tuple) else ())),))


def permute(call: Call) -> Parsed:
    """``Permute``; Keras counts axes from 1."""
    c = call.config
    dims = c.raw("dims")
    axes = tuple(dims) if isinstance(dims, list | tuple) else ()
    if sorted(map(str, axes)) != sorted(map(str, range(1, len(axes) + 1))) or not axes:
        c.reject(f"dims={dims!r} is not a permutation")
    c.done()
    call.shape(len(axes) + 1)
    return Parsed((Transpose((0, *axes)),))


def zero_padding(rank: int) -> LayerParser:
    """The parser of ``ZeroPadding*D``."""

    def parse(call: Call) -> Parsed:
        spatial, first = call.config.pairs("padding", rank), channels_first(call.config)
        call.config.done()
        call.shape(rank + 2)
        return Parsed((Pad(((0, 0), *spatial) if first else (*spatial, (0, 0))),))

    return parse


def cropping(rank: int) -> LayerParser:
    """The parser of ``Cropping*D``."""

    def parse(call: Call) -> Parsed:
        spatial, first = call.config.pairs("cropping", rank), channels_first(call.config)
        call.config.done()
        _expect_rest(call.shape(rank + 2), spatial, 2 if first else 1)
        pairs = ((0, 0), *spatial) if first else (*spatial, (0, 0))
        begin = tuple(before or None for before, _ in pairs)
        end = tuple(-after if after else None for _, after in pairs)
        return Parsed((Slice(begin, end, (1,) * len(pairs)),))

    return parse


def up_sampling(rank: int) -> LayerParser:
    """The parser of ``UpSampling*D``; the one of images interpolates, if it is told to."""

    def parse(call: Call) -> Parsed:
        c = call.config
        factors, first = c.integers("size", rank), channels_first(c)
        kinds = ("nearest", "bilinear") if rank == 2 else ("nearest",)
        kind = c.choice("interpolation", *kinds, default="nearest")
        c.done()
        shape = last(call.shape(rank + 2), first)
        op = UpSample(factors) if kind == "nearest" else _magnified(shape, factors)
        return Parsed(channels_last((op,), rank + 2, first))

    return parse


def _magnified(shape: Shape, factors: tuple[int, ...]) -> Op:
    height, width = image_size(shape)
    return Resize((height, width), (height * factors[0], width * factors[1]), "bilinear")


def image_size(shape: Shape) -> tuple[int, int]:
    """Height and width of channels-last images."""
    _, height, width, _ = shape
    if height is None or width is None:
        raise Unsupported("images of unknown size cannot be interpolated", code="QC318")
    return height, width


def repeat_vector(call: Call) -> Parsed:
    """``RepeatVector``."""
    times = call.config.integer("n")
    call.config.done()
    length = call.shape(2)[1]
    return Parsed((Reshape((1, -1 if length is None else length)), UpSample((times,))))


def axis_of(axis: object, shape: Shape) -> int:
    """An axis counted from 0; the batch axis is none."""
    if type(axis) is not int or not -len(shape) <= axis < len(shape):
        raise Malformed(f"axis={axis!r} is not an axis of {shape}", "QC315")
    if axis % len(shape) == 0:
        raise Unsupported(f"axis={axis}, which is the batch")
    return axis % len(shape)


def _is_shape(target: list[object] | tuple[object, ...]) -> bool:
    sizes = [n for n in target if type(n) is int and n >= -1]
    return len(sizes) == len(target) and sizes.count(-1) <= 1


def _expect_rest(shape: Shape, cropped: tuple[tuple[int, int], ...], start: int) -> None:
    for length, (before, after) in zip(shape[start:], cropped, strict=False):
        if length is not None and before + after >= length:
            raise Malformed(f"cropping {before} + {after} of {length} leaves nothing")
