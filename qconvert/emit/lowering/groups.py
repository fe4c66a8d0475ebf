"""Convolutions, above all those with groups, in the form that ONNX Runtime computes fastest.

Its integer kernels multiply the groups one by one, at a cost of its own for each; only depthwise
ones with as many outputs as inputs have a kernel for all channels, in steps of 8 or 16.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum, auto
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.lowering.abreast import places_abreast
from qconvert.emit.lowering.sums import are_exact
from qconvert.emit.packing import stored_codes
from qconvert.emit.requantization import Chain
from qconvert.emit.values import Value
from qconvert.emit.weights import Weight
from qconvert.ir.ops import Conv


class Form(Enum):
    """How the products of codes are summed: by group, with zeros between these, or as floats."""

    GROUPS = auto()
    WHOLE = auto()
    FLOATS = auto()


#: Measured with ONNX Runtime 1.32 on Zen 4, batches of 1 and 16, between floats and between integer
#: kernels. Inputs times outputs between which zeros pay.
_FEWEST_PRODUCTS, _MOST_PRODUCTS, _MOST_PRODUCTS_ALONE = 64, 9216, 4096
#: Inputs below which it takes so many outputs for a place of a row alone to be faster than floats.
_FEWEST_INPUTS, _FEWEST_OF_FEW = 4, 64
#: Outputs a group with which groups do.
FEWEST_OUTPUTS: Final = 8
#: The window up to which depthwise kernels take 8 channels at once, and 16 beyond.
_SMALL_WINDOW: Final = 9
#: Channels that are computed by themselves, and weights with zeros between them, that are too many
#: for several places of a row at once to be faster.
_MANY_CHANNELS, _MANY_WEIGHTS = 16, 1024


def form(op: Conv, width: int | None, *, alone: bool) -> Form:
    """The fastest for rows of *width*; *alone* if nothing but a quantizer is behind the sums.

    Whatever else is there is a part of an integer kernel, and takes a pass of its own over floats.
    """
    outputs = op.kernel.shape[-1]
    inputs = op.kernel.shape[-2] * op.groups
    if op.groups == 1:
        one_by_one = width is None or op.dilations[-1] > 1
        slow = alone and one_by_one and is_slow_alone(op.kernel.shape)
        return Form.FLOATS if slow else Form.GROUPS
    if _is_fast_together(op, width):
        return Form.WHOLE
    if inputs == outputs == op.groups:
        return Form.FLOATS if _is_slow_by_channel(op, alone=alone) else Form.GROUPS
    products = inputs * outputs
    if products > _MOST_PRODUCTS_ALONE and outputs // op.groups >= FEWEST_OUTPUTS:
        return Form.GROUPS
    most = _MOST_PRODUCTS_ALONE if alone else _MOST_PRODUCTS
    return Form.WHOLE if _FEWEST_PRODUCTS <= products <= most else Form.FLOATS


def is_slow_alone(shape: Sequence[int]) -> bool:
    """Whether a kernel (*window, inputs, outputs) is slow at one place of a row at a time.

    Measured with dilations of 2, windows of 3 x 3 and 5 x 5, where floats take 0.4 to 0.95 of the
    time; of the others 0.94 and more.
    """
    *window, inputs, outputs = shape
    few = inputs < _FEWEST_INPUTS and outputs < _FEWEST_OF_FEW
    return math.prod(window) > 1 and (few or inputs * outputs <= _FEWEST_PRODUCTS)


def _is_fast_together(op: Conv, width: int | None) -> bool:
    """Whether channels are so few that several places of a row at once win, zeros included."""
    inputs, outputs = op.kernel.shape[-2] * op.groups, op.kernel.shape[-1]
    weights = math.prod(op.kernel.shape[:-2]) * inputs * outputs
    few = max(inputs, outputs) < _MANY_CHANNELS and weights <= _MANY_WEIGHTS
    return few and places_abreast(op, width) > 1


def _is_slow_by_channel(op: Conv, *, alone: bool) -> bool:
    channels = op.groups
    if math.prod(op.kernel.shape[:-2]) <= _SMALL_WINDOW:
        return channels % 8 != 0 and channels < (64 if alone else 16)
    return channels % (16 if alone else 8) != 0 or channels < (32 if alone else 16)


def in_floats(chain: Chain, weight: Weight, x: Value) -> bool:
    """Whether the convolution that *chain* begins with is to be one of floats, if it is one.

    Then its sums of the codes *x* have up to 24 bits, which float kernels do not round.
    """
    op = chain.linear.op
    if not isinstance(op, Conv) or not x.integer or x.codes is None:
        return False
    if form(op, chain.linear.shape[-2], alone=not chain.between) is not Form.FLOATS:
        return False
    return are_exact(weight, x)


def without_groups(op: Conv) -> Conv:
    """Its attributes where `spread` makes its kernel."""
    return replace(op, groups=1)


def spread(b: Builder, codes: npt.NDArray[Any], groups: int, zero: int) -> Tensor:
    """Weights (outputs, inputs / groups, *window) with the code *zero* for inputs of other groups.

    The file holds them without; ONNX Runtime spreads them once, when it loads the file.
    """
    outputs, inputs, *window = codes.shape
    shape = (groups, outputs // groups, 1, inputs, *window)
    own = np.eye(groups, dtype=bool).reshape(groups, 1, groups, 1, *[1] * len(window))
    stored = stored_codes(b, codes.reshape(shape), "kernel")
    # ONNX Runtime 1.23 has no Where of int8: the same bits as uint8.
    signed = codes.dtype == np.int8
    if signed:
        stored = b.op("Cast", stored, attributes={"to": onnx.TensorProto.UINT8})
    other = b.constant(np.array(zero).astype(np.uint8), "zero")
    blocks = b.op("Where", b.constant(own, "groups"), stored, other)
    whole = b.op("Reshape", blocks, b.integers([outputs, groups * inputs, *window], "shape"))
    return b.op("Cast", whole, attributes={"to": onnx.TensorProto.INT8}) if signed else whole
