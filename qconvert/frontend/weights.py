"""A strict reader of one layer's stored variables, by Keras's names or by position."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from qconvert.frontend.problems import Malformed, Unsupported
from qconvert.ir.graph import Weight
from qconvert.ir.quantizers import QuantizedBits, Quantizer
from qconvert.ir.types import F32
from qconvert.modelfile import StoredWeight
from qconvert.numerics import quantize

#: Variables that count steps or samples of training: whole numbers, without effect at inference.
_COUNTERS: Final = frozenset({"count", "iteration", "pruning_step"})
#: Weights that are quantized at once: several arrays of as many numbers are needed on the way.
_BLOCK: Final = 1 << 16


class Weights:
    """The variables of one layer."""

    def __init__(self, stored: Sequence[StoredWeight]) -> None:
        self._stored = tuple(stored)
        self._taken = False

    @property
    def named(self) -> bool:
        """Whether the file tells the variables' names, and so holds them in Keras's order."""
        return any(w.name for w in self._stored)

    def take(self, *roles: str) -> dict[str, F32]:
        """All variables of the layer by role, without counters; *roles* in Keras's order."""
        arrays = self.take_all(*roles)
        return dict(zip((r for r in roles if r not in _COUNTERS), arrays, strict=True))

    def take_all(self, *roles: str) -> tuple[F32, ...]:
        """As `take`, for roles that can repeat."""
        self._taken = True
        if len(roles) != len(self._stored):
            raise Malformed(self._mismatch(roles), "QC502")
        ordered = self._by_name(roles) if self.named else self._stored
        floats = [w for w in ordered if not _is_counter(w)]
        wanted = [role for role in roles if role not in _COUNTERS]
        if len(floats) != len(wanted):
            raise Malformed(self._mismatch(roles), "QC502")
        return tuple(_checked(role, w) for role, w in zip(wanted, floats, strict=True))

    def done(self) -> None:
        """Raise if there are variables that nobody took."""
        if self._stored and not self._taken:
            raise Malformed(self._mismatch(()), "QC502")

    def raw(self, position: int) -> F32:
        """One variable as it is stored."""
        return _checked("weight", self._stored[position])

    def split(self, tail: int) -> tuple["Weights", "Weights"]:
        """The inner layer's variables, and the last *tail*, which belong to a wrapper."""
        self._taken = True
        at = max(len(self._stored) - tail, 0)
        return Weights(self._stored[:at]), Weights(self._stored[at:])

    def masked(self, masks: Mapping[int, F32]) -> "Weights":
        """The same variables, multiplied by the mask for their position where there is one."""
        return Weights(
            [_multiplied(w, masks[i]) if i in masks else w for i, w in enumerate(self._stored)]
        )

    def _by_name(self, roles: Sequence[str]) -> Sequence[StoredWeight]:
        left = list(self._stored)
        ordered: list[StoredWeight] = []
        for role in roles:
            found = next((w for w in left if _role(w, roles) == role), None)
            if found is None:
                raise Malformed(self._mismatch(roles), "QC502")
            left.remove(found)
            ordered.append(found)
        # Keras loads by position whatever the names are; counters do not matter.
        floats = ([w for w in these if not _is_counter(w)] for these in (ordered, self._stored))
        if any(a is not b for a, b in zip(*floats, strict=True)):
            raise Malformed(f"{self._mismatch(roles)}, of which Keras takes the order", "QC502")
        return ordered

    def _mismatch(self, roles: Sequence[str]) -> str:
        found = ", ".join(f"{w.name or 'unnamed'} {_kind(w)}" for w in self._stored)
        return f"expected the weights {', '.join(roles) or 'none'}; found {found or 'none'}"


def require_finite(stored: Sequence[StoredWeight]) -> None:
    """Raise if any variable of a layer, whoever reads it, holds NaN or infinity."""
    found = tuple(filter(None, map(_not_finite, stored)))
    if found:
        raise Malformed("; ".join(found), "QC503")


def _not_finite(stored: StoredWeight) -> str:
    if stored.value.dtype.kind != "f" or np.isfinite(stored.value).all():
        return ""
    bad = np.argwhere(~np.isfinite(stored.value))
    first = tuple(int(i) for i in bad[0])
    name = repr(stored.name[:200]) if stored.name else "a weight"
    return f"{name} holds {len(bad)} NaN or infinity, the first at {first}"


def expect_shape(role: str, array: F32, expected: tuple[int, ...]) -> None:
    """Raise unless a weight has the shape that the configuration asks for."""
    if array.shape != expected:
        raise Malformed(
            f"{role} has shape {array.shape}, the configuration asks for {expected}", "QC501"
        )


def weight(raw: F32, quantizer: Quantizer | None) -> Weight:
    """A stored weight with what its layer computes with."""
    return Weight(raw, quantized(raw, quantizer), quantizer)


def quantized(raw: F32, quantizer: Quantizer | None) -> F32:
    """The numbers that a layer computes with; `Malformed` if the quantizer's axes do not fit."""
    if quantizer is None:
        return raw
    try:
        result = _in_blocks(quantizer, raw)
    except (IndexError, ValueError) as error:
        raise Malformed(
            f"the scales of {quantizer} do not fit the shape {raw.shape}", "QC501"
        ) from error
    expect_shape("the quantized weight", result, raw.shape)
    return result


def _in_blocks(quantizer: Quantizer, raw: F32) -> F32:
    """The quantized weights; those that do not depend on one another without memory for all."""
    match quantizer:
        case QuantizedBits(alpha=None | float(), post_training_scale=None) if raw.size > _BLOCK:
            flat, result = raw.reshape(-1), np.empty(raw.size, np.float32)
            for start in range(0, raw.size, _BLOCK):
                block = slice(start, start + _BLOCK)
                result[block] = quantize(quantizer, flat[block])
            return result.reshape(raw.shape)
        case _:
            return quantize(quantizer, raw)


def _kind(stored: StoredWeight) -> str:
    """Shape, and type where it is not that of weights."""
    dtype = stored.value.dtype
    return f"{stored.value.shape}" if dtype == np.float32 else f"{dtype} {stored.value.shape}"


def _role(stored: StoredWeight, roles: Sequence[str]) -> str:
    name = stored.name.rsplit("/", 1)[-1].removesuffix(":0")
    return name if name in roles else re.sub(r"_\d+$", "", name)


def _is_counter(stored: StoredWeight) -> bool:
    return stored.value.dtype.kind in "iu"


def _checked(role: str, stored: StoredWeight) -> F32:
    if stored.value.dtype != np.float32:
        if stored.value.dtype.kind == "f":
            raise Unsupported(f"{role} is {stored.value.dtype} (supported: float32)", code="QC504")
        raise Malformed(f"{role} is {stored.value.dtype}, not float32", "QC504")
    bad = int(np.count_nonzero(~np.isfinite(stored.value)))
    if bad:
        raise Malformed(f"{role} has {bad} value(s) that are not finite", "QC503")
    return stored.value.astype(np.float32, copy=False)


def _multiplied(stored: StoredWeight, mask: F32) -> StoredWeight:
    expect_shape("mask", mask, stored.value.shape)
    return StoredWeight(stored.name, stored.value * mask)
