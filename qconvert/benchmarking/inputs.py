"""What programs are timed with: random numbers of the file's sizes and types."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.errors import LimitError, UsageError
from qconvert.modelfile import Limits

Array: TypeAlias = npt.NDArray[Any]
#: For an axis that the file leaves open, other than that of the batch.
OPEN: Final = 64
#: Floats are drawn as float32, and so is what Keras takes.
_BYTES: Final = 4


def batch_of(model: onnx.ModelProto) -> int | None:
    """The only number of samples that a file takes, if it takes no other."""
    sizes = {axes[0] for axes in _axes(model).values() if axes and axes[0]}
    return max(sizes) if sizes else None


def with_sizes(model: onnx.ModelProto, batch: int) -> onnx.ModelProto:
    """The file for so many samples, open axes closed."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    closed = {name: _closed(axes, batch) for name, axes in _axes(model).items()}
    for value in sized.graph.input:
        for axis, size in zip(
            value.type.tensor_type.shape.dim, closed.get(value.name, ()), strict=False
        ):
            axis.dim_value = size
    return sized


def require_few(
    path: Path, model: onnx.ModelProto, batches: Collection[int], limits: Limits, *, keras: bool
) -> None:
    """`LimitError` if the inputs of *path* take too many bytes, those of all *batches* together.

    For *keras* floats are drawn, too.
    """
    axes, types = _axes(model), _types(model)
    needed = sum(
        math.prod(_closed(axes[name], batch)) * _bytes(kind, keras=keras)
        for batch in batches
        for name, kind in types.items()
    )
    if needed > limits.tensor_bytes:
        called = " and ".join(f"{batch:,}" for batch in batches)
        raise LimitError(
            "QC320",
            f"{path}: calls with {called} samples (--batch) take {needed:,} bytes: "
            f"{limits.of('tensor_bytes')}",
        )


def _bytes(kind: np.dtype[Any], *, keras: bool) -> int:
    """Of a number that is drawn."""
    floats = keras or kind.kind not in "iu"
    return max(kind.itemsize, _BYTES) if floats else kind.itemsize


def drawn(model: onnx.ModelProto, batch: int) -> dict[str, Array]:
    """So many samples: normally distributed, or whichever integers the type has."""
    random, types = np.random.default_rng(0), _types(model)
    return {
        name: _drawn(random, types[name], _closed(axes, batch), name)
        for name, axes in _axes(model).items()
    }


def as_floats(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """What Keras takes where a file takes integers, which may be codes of something else."""
    random = np.random.default_rng(0)
    return {
        name: array if array.dtype.kind == "f" else _normal(random, array.shape)
        for name, array in arrays.items()
    }


def _drawn(
    random: np.random.Generator, kind: np.dtype[Any], shape: tuple[int, ...], name: str
) -> Array:
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return random.integers(limits.min, limits.max, shape, kind, endpoint=True)
    if kind.kind != "f":
        raise UsageError(
            "QC713", f"the input {name!r} is of type {kind}, of which no numbers are drawn"
        )
    return _normal(random, shape).astype(kind, copy=False)


def _normal(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return random.standard_normal(shape, np.float32)


def _closed(axes: tuple[int, ...], batch: int) -> tuple[int, ...]:
    return tuple(size or (OPEN if place else batch) for place, size in enumerate(axes))


def _axes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """The sizes of what a file takes, weights apart; 0 where they are open, or below."""
    return {
        value.name: tuple(max(0, axis.dim_value) for axis in value.type.tensor_type.shape.dim)
        for value in _taken(model)
    }


def _types(model: onnx.ModelProto) -> dict[str, np.dtype[Any]]:
    return {
        value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        for value in _taken(model)
    }


def _taken(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]
