"""What samples have to be to fit an input: their shape, type, size and numbers."""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.checking.arrays import AnyArray, Rows
from qconvert.errors import LimitError, UsageError
from qconvert.ir import F32, Graph, Shape
from qconvert.ir.ops import Opaque
from qconvert.ir.shapes import infer_shape
from qconvert.modelfile import Limits
from qconvert.runners.interface import InputDomain, nearest, numbers

_NOT_FLOAT32: Final = "of type {} has no float32 equal to it; save x.astype('float32') instead"
#: What is read becomes float32.
_BYTES: Final = 4


def require_fit(name: str, shape: Shape, rows: Rows) -> None:
    """`UsageError` for *rows* of other shapes or types than the input's, whose *shape* is given."""
    fits = len(rows.shape) == len(shape) and all(
        n is None or n == m for n, m in zip(shape[1:], rows.shape[1:], strict=True)
    )
    if not fits:
        expected = ", ".join(["samples", *("any" if n is None else str(n) for n in shape[1:])])
        raise UsageError(
            "QC712", f"input {name!r} has shape {rows.shape}, the model takes ({expected})"
        )
    if 0 in rows.shape[1:]:
        raise UsageError("QC714", f"input {name!r} has shape {rows.shape}: samples of no numbers")
    if rows.dtype.kind not in "fiub":
        raise UsageError("QC713", f"input {name!r} has type {rows.dtype}, the model takes float32")


def require_small(name: str, shape: tuple[int, ...], itemsize: int, limits: Limits) -> None:
    """`LimitError` for too large samples, of elements of *itemsize* bytes.

    A sample is read as a whole, and the model may leave its axes open.
    """
    size = math.prod(shape[1:]) * max(itemsize, _BYTES)
    if size > limits.tensor_bytes:
        found = f"input {name!r} has shape {shape}: samples of {size:,} bytes"
        raise LimitError("QC320", f"{found}: {limits.of('tensor_bytes')}")


def require_computable(graph: Graph, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """`UsageError` if a layer cannot be computed of one sample of these *shapes*.

    That happens where the model leaves axes open: then nobody has tried them on each other.
    """
    known: dict[str, Shape] = {name: (None, *shape) for name, shape in shapes.items()}
    for node in graph.nodes:
        read = [known[name] for name in node.inputs]
        if isinstance(node.op, Opaque) or any(None in shape[1:] for shape in read):
            known[node.name] = node.shape
            continue
        try:
            known[node.name] = infer_shape(node.op, *read)
        except ValueError as error:
            given = " and ".join(f"{_sizes(shape)} for {name!r}" for name, shape in shapes.items())
            found = f"{node.name} reads {' and '.join(_sizes(x[1:]) for x in read)}, and {error}"
            raise UsageError(
                "QC716",
                f"of samples of {given} the layer {found}; give samples of other sizes, which the "
                "model leaves open, or mend it if none fit",
            ) from error


def _sizes(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a number"


def as_float32(name: str, rows: AnyArray, start: int) -> F32:
    """*rows*, the first of which is sample *start*; `UsageError` for what float32 does not hold."""
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(rows.astype(np.float32))
    _require_all(name, rows, np.isfinite(rows), start, "is not finite")
    _require_all(name, rows, np.isfinite(result), start, "is {}, beyond what float32 holds")
    _require_all(name, rows, result == rows, start, _NOT_FLOAT32.format(rows.dtype))
    return result


def require_within(name: str, x: F32, domain: InputDomain, start: int) -> None:
    """`UsageError` for numbers that are not in the input's *domain*."""
    within: npt.NDArray[np.bool_] = numbers(domain, nearest(domain, x)) == x
    _require_all(name, x, within, start, "is not in its domain")


def _require_all(
    name: str, rows: AnyArray, good: npt.NDArray[np.bool_], start: int, what: str
) -> None:
    """`UsageError` for the first element that is not good: *what* it is, with its value at {}."""
    if good.all():
        return
    place = np.unravel_index(int(np.argmin(good)), good.shape)
    sample, *index = map(int, place)
    where = f"input {name!r}: the element at {[start + sample, *index]}"
    raise UsageError("QC714", f"{where} {what.format(rows[place])}")
