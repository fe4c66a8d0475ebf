"""A product and a sum by channel that a file has in front of a quantizer, instead of a program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from qconvert.checking.deployed.casting import MOVING
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.rounded_grid import rounded_grid
from qconvert.emit.metadata import LayerTensor
from qconvert.ir import F32, Grid
from qconvert.reference.fma import multiply_add

_LINE: Final = ["Mul", "Add"]
#: A line, and one of numbers that are shifted first, or made of integers and shifted.
_FORMS: Final = (["Mul", "Add", *_LINE], ["Add", *_LINE], _LINE)
#: What may stand behind it, but for what moves elements.
_QUANTIZERS: Final = (
    ["QuantizeLinear"],
    ["QuantizeLinear", "Clip"],
    ["QuantizeLinear", "DequantizeLinear"],
    ["QuantizeLinear", "Clip", "DequantizeLinear"],
)


@dataclass(frozen=True, slots=True, eq=False)
class FloatLine:
    """What rounds ``number / unit * factor + addend`` to *grid*, by channel.

    The numbers are those of the layer ``source``, of which the file has so many ``unit``. ``nodes``
    are the operators of product and sum. With a ``shift``, a factor and an addend that stand in
    front of these, there is a sum more.
    """

    nodes: tuple[onnx.NodeProto, ...]
    source: str
    unit: npt.NDArray[np.float64]
    factor: F32
    addend: F32
    grid: Grid
    shift: tuple[F32, F32] | None = None

    def results(self, numbers: F32) -> tuple[F32, F32]:
        """What is returned for numbers (n, channels): rounded twice, and both times together.

        Of one with a shift that alone, for it is what runtimes make a part of a product.
        """
        x = (numbers / self.unit).astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.shift is None:
                apart, together = _both_ways(x, self.factor, self.addend)
            else:
                begun = _both_ways(x, *self.shift)
                apart, together = (each * self.factor + self.addend for each in begun)
            return self._rounded(apart), self._rounded(together)

    def _rounded(self, y: F32) -> F32:
        step = np.float32(self.grid.step)
        codes: F32 = np.clip(np.rint(y / step), self.grid.lo, self.grid.hi)
        return codes * step


def _both_ways(x: F32, factor: F32, addend: F32) -> tuple[F32, F32]:
    """Product and sum one after the other, and together."""
    factor, addend = (np.broadcast_to(each, x.shape) for each in (factor, addend))
    return x * factor + addend, multiply_add(x, factor, addend)


def float_line(
    cone: Sequence[onnx.NodeProto], file: OnnxGraph, layers: Mapping[str, LayerTensor]
) -> FloatLine | None:
    """The line that a cone consists of, if it does; *layers* have the tensors that it may read.

    They are floats, or integer sums with a cast of these in the cone.
    """
    steps = _in_a_row(cone, file)
    casts = bool(steps) and _makes_floats(steps[0])
    kinds = [node.op_type for node in steps[casts:]]
    form = next((each for each in _FORMS if kinds[: len(each)] == each), [])
    line, behind = steps[casts : casts + len(form)], steps[casts + len(form) :]
    quantizer = [node for node in behind if node.op_type not in MOVING]
    if any(node.domain for node in steps) or not form:
        return None
    if [node.op_type for node in quantizer] not in _QUANTIZERS:
        return None
    source = layers.get(_computed(steps[0], file)[0])
    grid = rounded_grid(quantizer[0], cone, file) if _agree(quantizer, file) else None
    unit = None if source is None else _unit(source, casts=casts)
    if source is None or grid is None or unit is None:
        return None
    numbers = [each for node in line if (each := _by_channel(node, file, source)) is not None]
    if len(numbers) < len(line):
        return None
    *first, factor, addend = numbers
    shift = (first[0] if first[1:] else np.ones(1, np.float32), first[-1]) if first else None
    # Without a product in front of the shift, which has the steps of integers for numbers.
    nodes = tuple(line[-3:] if first else line)
    return FloatLine(nodes, source.layer, unit, factor, addend, grid, shift)


def _agree(quantizer: Sequence[onnx.NodeProto], file: OnnxGraph) -> bool:
    """Whether all that have a step and a zero point have the same."""
    coded = [node for node in quantizer if node.op_type != "Clip"]
    pairs = [[file.constant(name) for name in node.input[1:]] for node in coded]
    return all(
        a is not None and b is not None and np.array_equal(a, b)
        for first, second in pairwise(pairs)
        for a, b in zip_longest(first, second)
    )


def _in_a_row(cone: Sequence[onnx.NodeProto], file: OnnxGraph) -> list[onnx.NodeProto]:
    """The operators that compute, if each reads the one before it and constants; else none."""
    nodes = [node for node in cone if file.constant(node.output[0]) is None]
    alone = all(len(_computed(node, file)) == 1 for node in nodes)
    row = alone and all(_computed(b, file) == [a.output[0]] for a, b in pairwise(nodes))
    return nodes if row else []


def _computed(node: onnx.NodeProto, file: OnnxGraph) -> list[str]:
    """What an operator reads that is no constant."""
    return [name for name in node.input if name and file.constant(name) is None]


def _makes_floats(node: onnx.NodeProto) -> bool:
    if node.op_type != "Cast":
        return False
    return bool(helper.get_node_attr_value(node, "to") == TensorProto.FLOAT)


def _unit(source: LayerTensor, *, casts: bool) -> npt.NDArray[np.float64] | None:
    """What one of the tensor's numbers is of the layer's; ``None`` where 0 is another one."""
    codes = source.codes
    if not casts or codes is None:
        return None if casts else np.ones(())
    return None if codes.zero_point else np.ldexp(1.0, np.array(codes.exp))


def _by_channel(node: onnx.NodeProto, file: OnnxGraph, source: LayerTensor) -> F32 | None:
    """The constant of an operator, if it has one for each channel of the layer's tensor."""
    (name,) = set(node.input) - set(_computed(node, file))
    array = file.constant(name)
    if array is None or array.dtype != np.float32:
        return None
    behind = 0 if source.perm is None else len(source.perm) - 1 - source.perm[-1]
    return array.reshape(-1) if array.shape == (array.size, *[1] * behind) else None
