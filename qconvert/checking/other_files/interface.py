"""What a file that qconvert did not write takes and returns, in the names of the model."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from qconvert.checking.onnx_file import require_interface_of
from qconvert.emit.metadata import read_metadata
from qconvert.errors import BadFileError, UsageError
from qconvert.ir import Graph, Shape
from qconvert.runners.foreign import Correspondence, Place

_FLOATS = frozenset({onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16})


@dataclass(frozen=True, slots=True)
class _Value:
    """An input or output of the file; ``shape`` is `None` if the file does not tell it."""

    name: str
    shape: Shape | None
    kind: int

    def __str__(self) -> str:
        shape = "of any shape" if self.shape is None else str(self.shape)
        return f"{self.name!r} {shape}"


def interface(graph: Graph, model: onnx.ModelProto) -> Correspondence | None:
    """What stands where in a file that does not say it; of ours `None`, if it is of this model."""
    try:
        metadata = read_metadata(model)
    except ValueError as error:
        raise BadFileError("QC702", "the ONNX model", str(error)) from error
    if metadata is None:
        return interface_of(graph, model)
    require_interface_of(graph, model)
    return None


def interface_of(graph: Graph, model: onnx.ModelProto) -> Correspondence:
    """Inputs and outputs of a foreign file: by name, else by shape, else by position.

    `UsageError` if the file does not take what the model takes, or returns less.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    taken = [_value(value) for value in model.graph.input if value.name not in weights]
    returned = [v for v in map(_value, model.graph.output) if v.kind in _FLOATS]
    shapes = graph.shapes
    inputs = _mapped({x.name: x.shape for x in graph.inputs}, taken)
    outputs = _mapped({x.name: shapes[x.value] for x in graph.outputs}, returned, spare=True)
    if inputs is None:
        wanted = {source.name: source.shape for source in graph.inputs}
        raise UsageError(
            "QC704",
            f"the ONNX file is not of this model: it takes {_listed(taken)}, "
            f"the model {', '.join(f'{name!r} {shape}' for name, shape in wanted.items())}",
        )
    if outputs is None:
        names = ", ".join(f"{x.name!r} {shapes[x.value]}" for x in graph.outputs)
        raise UsageError(
            "QC704",
            f"the ONNX file returns {_listed(returned)} in float; which of them are the model's "
            f"outputs {names} is not clear: name them like these, or leave the others out",
        )
    read = {place.tensor for place in inputs.values()}
    return Correspondence(inputs, outputs, {}, _kinds(taken), _batch(taken, read))


def described(place: Place) -> str:
    """A tensor, and the order of its axes if it is not Keras's."""
    order = "" if list(place.axes) == sorted(place.axes) else ", channels first"
    return f"the tensor {place.tensor!r}{order}"


def axes_of(shape: Shape) -> tuple[tuple[int, ...], ...]:
    """The orders of axes that files have: Keras's, and that with the channels in front."""
    same = tuple(range(len(shape)))
    return (same,) if len(shape) < 3 else (same, (0, same[-1], *same[1:-1]))


def _mapped(
    wanted: Mapping[str, Shape], found: Sequence[_Value], *, spare: bool = False
) -> dict[str, Place] | None:
    """A place for each that is *wanted*; *spare* ones may be left over if names or shapes tell."""
    if len(found) < len(wanted) or (len(found) > len(wanted) and not spare):
        return None
    chosen = _by_name(wanted, found) or _by_shape(wanted, found)
    if chosen is None and len(found) == len(wanted):
        chosen = list(found)
    if chosen is None:
        return None
    places = [_place(*each) for each in zip(wanted.values(), chosen, strict=True)]
    if any(place is None for place in places):
        return None
    return dict(zip(wanted, [place for place in places if place], strict=True))


def _by_name(wanted: Mapping[str, Shape], found: Sequence[_Value]) -> list[_Value] | None:
    """The values with these names, or with ``_`` where these have ``:`` or ``/``."""
    for plain in (str, _plain):
        named = {plain(value.name): value for value in found}
        names = [plain(name) for name in wanted]
        if len(named) == len(found) and len(set(names)) == len(names) and set(names) <= set(named):
            return [named[name] for name in names]
    return None


def _by_shape(wanted: Mapping[str, Shape], found: Sequence[_Value]) -> list[_Value] | None:
    """The values with these shapes, if each fits one alone."""
    fitting = [[v for v in found if _place(shape, v)] for shape in wanted.values()]
    if any(len(values) != 1 for values in fitting):
        return None
    chosen = [values[0] for values in fitting]
    return chosen if len({v.name for v in chosen}) == len(chosen) else None


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", re.sub(r":0$", "", name)).lower()


def _place(shape: Shape, value: _Value) -> Place | None:
    """Where a value of Keras's *shape* is in one of the file; `None` if it cannot be."""
    for axes in axes_of(shape):
        if value.shape is None or _fits(value.shape, [shape[axis] for axis in axes]):
            return Place(value.name, shape, axes)
    return None


def _fits(found: Shape, wanted: Sequence[int | None]) -> bool:
    return len(found) == len(wanted) and all(
        None in pair or pair[0] == pair[1] for pair in zip(found[1:], wanted[1:], strict=True)
    )


def _value(value: onnx.ValueInfoProto) -> _Value:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return _Value(value.name, None, tensor.elem_type)
    dims = tensor.shape.dim
    # Old converters write -1 or 0 for a size that is open.
    shape = tuple(dim.dim_value if dim.dim_value > 0 else None for dim in dims)
    return _Value(value.name, shape, tensor.elem_type)


def _kinds(taken: Sequence[_Value]) -> dict[str, np.dtype[Any]]:
    return {v.name: onnx.helper.tensor_dtype_to_np_dtype(v.kind) for v in taken if v.kind}


def _batch(taken: Sequence[_Value], read: set[str]) -> int | None:
    """The number of samples that the file takes at once, if it takes no other."""
    sizes = {v.shape[0] for v in taken if v.shape and v.name in read} - {None}
    if len(sizes) > 1:
        raise UsageError(
            "QC704", f"the ONNX file takes {_listed(taken)}: samples in different numbers"
        )
    return next(iter(sizes), None)


def _listed(values: Sequence[_Value]) -> str:
    return ", ".join(map(str, values)) or "none"
