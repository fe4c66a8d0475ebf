"""Preprocessing layers that compute: of numbers and of the size of images."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.layers.shape import axis_of, image_size
from qconvert.frontend.layers.windows import channels_first, channels_last, last
from qconvert.frontend.problems import Malformed, Unsupported, short
from qconvert.frontend.weights import expect_shape, weight
from qconvert.ir.graph import Weight
from qconvert.ir.ops import Op, Scale, Slice
from qconvert.ir.shapes import Shape
from qconvert.ir.stock import Resize, WithConstant
from qconvert.ir.types import F32

#: ``tf_keras.backend.epsilon()``.
_EPSILON = np.float32(1e-7)


def rescaling(call: Call) -> Parsed:
    """``Rescaling``: ``x * scale + offset``."""
    scale, offset = call.config.raw("scale"), call.config.raw("offset", 0.0)
    call.config.done()
    shape = call.shape()
    factor, addend = constant(scale, shape), constant(offset, shape)
    added: tuple[Op, ...] = (WithConstant("add", addend),) if addend.any() else ()
    return Parsed((product(factor), *added))


def product(factor: F32) -> Op:
    """The multiplication with a number, or with an array."""
    return Scale(float(factor.item())) if factor.size == 1 else WithConstant("multiply", factor)


def constant(value: object, shape: Shape) -> F32:
    """Numbers of a configuration as an array that broadcasts to *shape*, without the batch."""
    array = _numbers(value)
    rank = len(shape) - 1
    if array.ndim > rank and array.shape[0] == 1:
        array = array[0]
    fits = array.ndim <= rank and all(
        n in (1, length) for n, length in zip(array.shape[::-1], shape[::-1], strict=False)
    )
    if not fits:
        raise Unsupported(f"a constant of shape {array.shape} on a tensor of {shape}")
    return array.reshape(*(1,) * (rank - array.ndim), *array.shape).astype(np.float32)


def _numbers(value: object) -> npt.NDArray[np.float64]:
    """Python's numbers; `Unsupported` for anything else."""
    try:
        array = np.array(value)
    except ValueError:
        array = np.array("uneven")
    if array.dtype.kind not in "if" or not np.isfinite(array).all():
        raise Unsupported(f"the constant {short(value)}")
    return array.astype(np.float64)


def normalization(call: Call) -> Parsed:
    """``Normalization``, with statistics of its own or from the configuration."""
    c = call.config
    axis, invert = c.raw("axis", -1), c.flag("invert", default=False)
    given = c.raw("mean"), c.raw("variance")
    c.done()
    weights: dict[str, Weight] = {}
    if given == (None, None):
        stored = call.weights.take("mean", "variance", "count")
        weights = {name: weight(raw, None) for name, raw in stored.items()}
    shape = call.shape()
    lengths = _kept(axis, shape)
    arrays = [one.raw for one in weights.values()] or [_filled(v, lengths) for v in given]
    broadcast = [1] * (len(shape) - 1)
    for at, length in lengths.items():
        broadcast[at - 1] = length
    for role, array in zip(("mean", "variance"), arrays, strict=True):
        expect_shape(role, array, tuple(lengths.values()))
    mean, variance = (array.reshape(broadcast) for array in arrays)
    deviation: F32 = np.maximum(np.sqrt(variance), _EPSILON)
    if invert:
        return Parsed((product(deviation), WithConstant("add", mean)), weights)
    return Parsed((WithConstant("subtract", mean), WithConstant("divide", deviation)), weights)


def _kept(axis: object, shape: Shape) -> dict[int, int]:
    """The axes that have statistics of their own, and their lengths."""
    listed = axis if isinstance(axis, list | tuple) else [] if axis is None else [axis]
    kept: dict[int, int] = {}
    for at in sorted(axis_of(one, shape) for one in listed):
        length = shape[at]
        if length is None:
            raise Malformed(f"axis={axis!r} is of unknown length in {shape}", "QC318")
        kept[at] = length
    return kept


def _filled(value: object, lengths: dict[int, int]) -> F32:
    """``value * np.ones(lengths)``, as Keras broadcasts it."""
    try:
        filled = _numbers(value) * np.ones(tuple(lengths.values()))
    except ValueError:
        raise Malformed(f"{short(value)} does not fit axes of {list(lengths.values())}") from None
    return filled.astype(np.float32).reshape(tuple(lengths.values()))


def resizing(call: Call) -> Parsed:
    """``Resizing``: ``tf.image.resize`` without antialiasing, in training too."""
    call.arguments.ignore("training")
    call.arguments.expect("mask", None)
    call.arguments.done()
    c = call.config
    size = c.integer("height"), c.integer("width")
    kind, first = interpolation(c, "interpolation"), channels_first(c)
    cropped = c.flag("crop_to_aspect_ratio", default=False)
    for option in ("pad_to_aspect_ratio", "antialias"):
        c.expect(option, False)
    # What is padded with, where ``pad_to_aspect_ratio`` says to.
    c.ignore("fill_mode", "fill_value")
    c.done()
    old = image_size(last(call.shape(4), first))
    ops = _to_aspect_ratio(old, size, kind) if cropped else (Resize(old, size, kind),)
    return Parsed(channels_last(ops, 4, first))


def _to_aspect_ratio(
    old: tuple[int, int], new: tuple[int, int], kind: Literal["nearest", "bilinear"]
) -> tuple[Op, ...]:
    """``smart_resize`` of tf_keras/src/utils/image_utils.py: the middle part of that ratio."""
    kept = min(old[0], old[1] * new[0] // new[1]), min(old[1], old[0] * new[1] // new[0])
    if 0 in kept:
        raise Malformed(f"images of {old} have no part in the ratio of {new}")
    return (middle(old, kept), Resize(kept, new, kind))


def center_crop(call: Call) -> Parsed:
    """``CenterCrop`` of images that are not smaller; Keras interpolates others."""
    c = call.config
    size, first = (c.integer("height"), c.integer("width")), channels_first(c)
    c.done()
    old = image_size(last(call.shape(4), first))
    fits = size[0] <= old[0] and size[1] <= old[1]
    ops = (middle(old, size),) if fits else _to_aspect_ratio(old, size, "bilinear")
    return Parsed(channels_last(ops, 4, first))


def middle(old: tuple[int, int], new: tuple[int, int]) -> Slice:
    """The part of this size in the middle of images, rather further up and left."""
    begin = tuple((n - kept) // 2 for n, kept in zip(old, new, strict=True))
    end = tuple(at + kept for at, kept in zip(begin, new, strict=True))
    return Slice((*begin, None), (*end, None), (1, 1, 1))


def interpolation(c: Config, key: str) -> Literal["nearest", "bilinear"]:
    """The method of ``tf.image.resize``."""
    return (
        "nearest"
        if c.choice(key, "bilinear", "nearest", default="bilinear") == "nearest"
        else "bilinear"
    )
