"""Pooling, reductions and softmax."""

from typing import Final

import numpy as np
import onnx
from onnx import helper

from qconvert.emit.builder import Attributes, Builder, Tensor
from qconvert.emit.lowering.linear import pads
from qconvert.emit.requantization import divides_exactly
from qconvert.emit.shield import shielded
from qconvert.emit.values import (
    Value,
    channels_first,
    move,
    natural,
    relayout,
    without_axes,
)
from qconvert.ir.ops import Pool, Reduce, Softmax

#: The first opset in which an operator takes the axes as an input.
_AXES_AS_INPUT = {"ReduceSum": 13, "ReduceMean": 18, "ReduceMax": 18, "ReduceMin": 18}
#: Of which the largest bytes are found faster than floats, where they come last.
_FEWEST_CHANNELS: Final = 8
#: Between a tensor of codes and the kernel that writes them.
_MOVING: Final = frozenset(
    {
        "Clip",
        "Concat",
        "Gather",
        "MaxPool",
        "Pad",
        "Reshape",
        "Resize",
        "Slice",
        "Squeeze",
        "Transpose",
    }
)


def pool(op: Pool, x: Value, channels: int, b: Builder) -> Value:
    """``MaxPool`` on the codes (padding is the lowest code), or ``AveragePool``."""
    last = x.layout == natural(x.rank) and channels >= _FEWEST_CHANNELS
    x = relayout(b, x, channels_first(x.rank))
    attributes: Attributes = {
        "kernel_shape": list(op.window),
        "strides": list(op.strides),
        "pads": pads(op.padding),
    }
    if op.kind == "mean":
        attributes = {**attributes, "count_include_pad": 0}
        mean = b.op("AveragePool", x.tensor, attributes=attributes)
        # ONNX Runtime's AveragePool of bytes rounds ties of other counts to the wrong code.
        apart = x.integer and not divides_exactly(op)
        return Value(shielded(b, mean) if apart else mean, x.layout)
    return move(b, x, x.layout, lambda t: _largest(b, x, t, attributes, last), wide=False)


def _largest(b: Builder, x: Value, tensor: Tensor, attributes: Attributes, last: bool) -> Tensor:
    """``MaxPool`` of codes, or of these as floats, of which each is one.

    ONNX Runtime finds the largest bytes fast where channels come *last*, or do so in the results of
    its integer kernels; elsewhere it takes several times as long for them as for floats.
    """
    # Codes of 16 bits, of which there is no MaxPool, come as floats.
    if x.codes is None or not x.codes.narrow or last or by_integers(b, tensor):
        return b.op("MaxPool", tensor, attributes=attributes)
    floats = b.op("Cast", tensor, attributes={"to": onnx.TensorProto.FLOAT})
    largest = b.op("MaxPool", floats, attributes=attributes)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(x.codes.dtype))
    return b.op("Cast", largest, attributes={"to": kind})


def by_integers(b: Builder, codes: Tensor) -> bool:
    """Whether an integer kernel writes *codes*, or some of them, or whoever supplies them."""
    pending, seen = [codes], set[Tensor]()
    while pending:
        tensor = pending.pop()
        node = b.maker(tensor)
        if node is not None and node.op_type in _MOVING:
            # What is joined is more than one tensor; of the others the first is moved.
            moved = node.input if node.op_type == "Concat" else node.input[:1]
            pending += [name for name in moved if name not in seen]
            seen.update(moved)
        elif _is_by_integers(b, node):
            return True
    return False


def _is_by_integers(b: Builder, node: onnx.NodeProto | None) -> bool:
    if node is None or node.op_type != "QuantizeLinear":
        return node is None or node.op_type == "QLinearConv"
    source = b.maker(node.input[0])
    if source is not None and source.op_type == "Relu":
        # Which the quantizer behind it makes superfluous.
        source = b.maker(source.input[0])
    factors = [] if source is None else [b.maker(name) for name in source.input]
    return bool(factors) and all(each and each.op_type == "DequantizeLinear" for each in factors)


def reduce(op: Reduce, x: Value, b: Builder) -> Value:
    """``ReduceMean`` and its kin; the greatest and least numbers are found among the codes."""
    layout = x.layout if op.keepdims else without_axes(x.layout, op.axes)
    kind = f"Reduce{op.kind.capitalize()}"
    axes = sorted(x.axis(axis) for axis in op.axes)
    if op.kind in ("mean", "sum"):
        return Value(_reduce(b, kind, x.tensor, axes, op.keepdims), layout)
    return move(b, x, layout, lambda t: _reduce(b, kind, t, axes, op.keepdims), wide=False)


def softmax(op: Softmax, x: Value, b: Builder) -> Value:
    """``Softmax`` along the last axis, of which it is the fastest, or where the axis is stored."""
    if op.axis == x.rank - 1:
        x = relayout(b, x, natural(x.rank))
    return Value(b.op("Softmax", x.tensor, attributes={"axis": x.axis(op.axis)}), x.layout)


def _reduce(b: Builder, kind: str, tensor: Tensor, axes: list[int], keepdims: bool) -> Tensor:
    kept = {"keepdims": int(keepdims)}
    if b.opset < _AXES_AS_INPUT[kind]:
        return b.op(kind, tensor, attributes={**kept, "axes": axes})
    return b.op(kind, tensor, b.integers(axes, "axes"), attributes=kept)
