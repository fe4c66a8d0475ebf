"""Effective weights as an ``.npz`` file, with the integer codes behind the numbers."""

import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from qconvert.emit.codes import WeightCodes, encode
from qconvert.ir import F32


def to_npz(weights: Mapping[str, Mapping[str, F32]]) -> bytes:
    """``layer/role``, and ``:codes`` and ``:scale`` of it where the values lie on a grid.

    The product of codes and scale is the weight, bit for bit; the same weights give the same
    bytes.
    """
    buffer = io.BytesIO()
    arrays = {name: array for layer, roles in weights.items() for name, array in _all(layer, roles)}
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _all(layer: str, roles: Mapping[str, F32]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for role, array in roles.items():
        name = f"{layer}/{role}"
        yield name, array
        encoded = encode(array, array.ndim - 1) if array.ndim else None
        if encoded is not None:
            yield f"{name}:codes", _narrow(encoded)
            yield f"{name}:scale", _scale(encoded)


def _narrow(encoded: WeightCodes) -> npt.NDArray[Any]:
    bits = max(8, encoded.bits)
    return encoded.codes.astype(f"int{bits}")


def _scale(encoded: WeightCodes) -> F32:
    """One number, or one a channel of the last axis."""
    scale = np.ldexp(1.0, encoded.exps).astype(np.float32)
    return scale if encoded.axis is not None else scale.reshape(())
