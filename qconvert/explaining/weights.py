"""Where the weights of an operation come from: Keras's variables, as they are stored."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.explaining.results import RawWeight, WeightElement
from qconvert.ir import F32, Layer, Op, Weight
from qconvert.ir.ops import Conv, ConvTranspose, Dense, Recurrence

_Places: TypeAlias = npt.NDArray[np.intp]

#: The operations all of whose arrays are variables.
_LINEAR: Final = (Dense, Conv, ConvTranspose)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """An array of an operation, and the variable whose numbers it has, by element at *places*."""

    role: str
    array: F32
    weight: Weight | None = None
    places: _Places | None = None

    def at(self, index: Sequence[int]) -> WeightElement:
        """One number."""
        where = tuple(index)
        number = float(self.array[where])
        if self.weight is None or self.places is None:
            return WeightElement(self.role, tuple(map(int, index)), number, None, self.array.shape)
        raw, place = self.weight.raw, int(self.places[where])
        found = tuple(int(i) for i in np.unravel_index(place, raw.shape))
        return WeightElement(self.role, found, number, float(raw.reshape(-1)[place]), raw.shape)

    @property
    def raw(self) -> F32 | None:
        """The array as it would be of the stored numbers."""
        if self.weight is None or self.places is None:
            return None
        return self.weight.raw.reshape(-1)[self.places]


def source(array: F32, role: str, weights: Mapping[str, Weight]) -> Source:
    """The variable whose effective numbers *array* shows: all of them, or a part.

    An array that is none of the layer's own, as in a further call, is that of the only variable
    of this *role* that has the same numbers.
    """
    for name, weight in weights.items():
        places = _in_place(array, weight.effective)
        if places is not None:
            return Source(name, array, weight, places)
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
    return Source(name, array, weight, np.arange(array.size).reshape(array.shape))


def raw_op(op: Op, weights: Mapping[str, Weight]) -> Op | None:
    """The operation with stored numbers in the place of effective ones.

    ``None`` where the variable of a kernel or a bias is not found.
    """
    if isinstance(op, Recurrence):
        inside = [(node, raw_op(node.op, weights)) for node in op.body.nodes]
        nodes = tuple(replace(node, op=raw) for node, raw in inside if raw is not None)
        return (
            replace(op, body=replace(op.body, nodes=nodes)) if len(nodes) == len(inside) else None
        )
    arrays = {field.name: getattr(op, field.name) for field in fields(op)}
    raw: dict[str, Any] = {
        name: source(array, name, weights).raw
        for name, array in arrays.items()
        if isinstance(array, np.ndarray)
    }
    found = {name: array for name, array in raw.items() if array is not None}
    return None if isinstance(op, _LINEAR) and len(found) < len(raw) else replace(op, **found)


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


def _in_place(array: F32, whole: F32) -> _Places | None:
    """Where in *whole* the elements of a view of it lie."""
    if not whole.flags.c_contiguous or not np.may_share_memory(array, whole):
        return None
    start = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    places = np.full(array.shape, start // whole.itemsize, np.intp)
    for axis, (length, stride) in enumerate(zip(array.shape, array.strides, strict=True)):
        steps = np.arange(length) * (stride // whole.itemsize)
        places += steps.reshape(-1, *(1,) * (array.ndim - 1 - axis))
    inside = places.min() >= 0 and places.max() < whole.size
    return places if inside else None
