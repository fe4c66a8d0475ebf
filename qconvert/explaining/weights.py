"""Where the weights of an operation come from: Keras's variables, as they are stored."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import as_strided

from qconvert.explaining.results import RawWeight, WeightElement
from qconvert.ir import F32, Layer, Op, Weight
from qconvert.ir.ops import Conv, ConvTranspose, Dense, Recurrence

#: The operations all of whose arrays are variables.
_LINEAR: Final = (Dense, Conv, ConvTranspose)


@dataclass(frozen=True, slots=True)
class View:
    """Where in a variable the elements of an array lie, in numbers from its first one on."""

    offset: int
    strides: tuple[int, ...]

    def place(self, index: Sequence[int]) -> int:
        """That of one element."""
        return self.offset + sum(i * s for i, s in zip(index, self.strides, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """An array of an operation, and the variable whose numbers it shows through a *view*."""

    role: str
    array: F32
    weight: Weight | None = None
    view: View | None = None

    def at(self, index: Sequence[int]) -> WeightElement:
        """One number."""
        number = float(self.array[tuple(index)])
        if self.weight is None or self.view is None:
            return WeightElement(self.role, tuple(map(int, index)), number, None, self.array.shape)
        raw, place = self.weight.raw, self.view.place(index)
        found = tuple(int(i) for i in np.unravel_index(place, raw.shape))
        return WeightElement(self.role, found, number, float(raw[found]), raw.shape)

    @property
    def raw(self) -> F32 | None:
        """The array as it would be of the stored numbers."""
        if self.weight is None or self.view is None:
            return None
        flat = np.ascontiguousarray(self.weight.raw).reshape(-1)
        strides = [stride * flat.itemsize for stride in self.view.strides]
        return as_strided(flat[self.view.offset :], self.array.shape, strides)


def source(array: F32, role: str, weights: Mapping[str, Weight]) -> Source:
    """The variable whose effective numbers *array* shows: all of them, or a part.

    An array that is none of the layer's own, as in a further call, is that of the only variable
    of this *role* that has the same numbers.
    """
    for name, weight in weights.items():
        view = _view(array, weight.effective)
        if view is not None:
            return Source(name, array, weight, view)
    copies = {
        name: weight
        for name, weight in weights.items()
        if name.endswith(role) and np.array_equal(array.reshape(-1), weight.effective.reshape(-1))
    }
    if not copies:
        return Source(role, array)
    (name, weight), *others = copies.items()
    if any(not np.array_equal(weight.raw, other.raw) for _, other in others):
        return Source(role, array)
    strides = (math.prod(array.shape[axis + 1 :]) for axis in range(array.ndim))
    return Source(name, array, weight, View(0, tuple(strides)))


def raw_op(op: Op, weights: Mapping[str, Weight]) -> Op | None:
    """The operation with stored numbers in the place of effective ones.

    ``None`` where the variable of a kernel or a bias is not found.
    """
    if isinstance(op, Recurrence):
        return _raw_loop(op, weights)
    arrays = {field.name: getattr(op, field.name) for field in fields(op)}
    raw: dict[str, Any] = {
        name: source(array, name, weights).raw
        for name, array in arrays.items()
        if isinstance(array, np.ndarray)
    }
    found = {name: array for name, array in raw.items() if array is not None}
    return None if isinstance(op, _LINEAR) and len(found) < len(raw) else replace(op, **found)


def _raw_loop(op: Recurrence, weights: Mapping[str, Weight]) -> Recurrence | None:
    nodes = []
    for node in op.body.nodes:
        raw = raw_op(node.op, weights)
        if raw is None:
            return None
        nodes.append(replace(node, op=raw))
    return replace(op, body=replace(op.body, nodes=tuple(nodes)))


def compared(layer: Layer) -> tuple[RawWeight, ...]:
    """How the variables differ from what the layer computes with."""
    return tuple(
        RawWeight(
            role,
            weight.raw.size,
            int(np.count_nonzero(weight.raw != weight.effective)),
            weight.quantizer,
            weight.folding is not None,
        )
        for role, weight in layer.weights.items()
    )


def base_name(name: str) -> str:
    """The name of the first result of the first call of a layer, which lists the weights."""
    return re.sub(r"@\d+(?=/|$)", "", call_name(name))


def call_name(name: str) -> str:
    """The name of the first result of a call, of which there may be several."""
    return re.sub(r":\d+$", "", name)


def _view(array: F32, whole: F32) -> View | None:
    """How *array* is a part of the memory of *whole*, if it is."""
    if not array.size or not whole.flags.c_contiguous or not np.may_share_memory(array, whole):
        return None
    start = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    view = View(start // whole.itemsize, tuple(n // whole.itemsize for n in array.strides))
    ends = zip(array.shape, view.strides, strict=True)
    reach = [(length - 1) * stride for length, stride in ends]
    first, last = (view.offset + sum(pick(n, 0) for n in reach) for pick in (min, max))
    return view if first >= 0 and last < whole.size else None
