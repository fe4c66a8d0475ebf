"""Convolutions of a file that round their sums to codes themselves: what they compute.

A ``QLinearConv`` returns ``rint((accumulator + bias) * multiplier)``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.checking.deployed.casting import MOVING
from qconvert.checking.deployed.kernels import LINEAR, codes_of, input_of, kind_of
from qconvert.checking.deployed.meaning import Meaning, meaning_of, stated
from qconvert.checking.deployed.onnx_graph import Array, OnnxGraph
from qconvert.ir import F32

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

_ROUNDING: Final = "QLinearConv"
#: What may stand beside the operator in its cone: nothing that computes.
_BESIDE: Final = MOVING | {
    "BitShift",
    "Clip",
    "DequantizeLinear",
    "Gather",
    "Pad",
    "ReduceMax",
    "Resize",
}
#: In a quantizer that is applied to a part alone.
_QUANTIZING: Final = frozenset({"Clip", "DequantizeLinear", "QuantizeLinear"})
#: And behind what is joined.
_BEHIND: Final = _BESIDE - {"BitShift", "Clip"}


@dataclass(frozen=True, slots=True, eq=False)
class RoundingKernel:
    """The numbers of a ``QLinearConv``, by output channel; ``ends`` are the codes that it leaves.

    ``weights`` (outputs, inputs / groups, *window) are without their zero point, and ``scales``
    are theirs.
    """

    node: onnx.NodeProto
    weights: Ints
    bias: Ints
    scales: F32
    x_scale: float
    y_scale: float
    zero: int
    ends: tuple[int, int]

    @property
    def multipliers(self) -> F32:
        """What sums become codes by, as the operator computes it."""
        return np.float32(self.x_scale) * self.scales / np.float32(self.y_scale)

    def factors(self, effective: F32) -> Numbers:
        """By channel what the *effective* weights are multiplied by; NaN where it is no number."""
        theirs = self.weights.reshape(len(self.weights), -1).astype(np.float64)
        ours = effective.reshape(theirs.shape).astype(np.float64)
        largest = np.argmax(abs(ours), axis=1)
        rows = np.arange(len(ours))
        divisor = ours[rows, largest]
        found = np.where(divisor == 0, 1.0, theirs[rows, largest] / np.where(divisor, divisor, 1.0))
        same = np.all(ours * found[:, np.newaxis] == theirs, axis=1)
        return np.where(same, found, np.nan)

    def likely(self, effective: F32) -> Numbers:
        """The operator's weights, in place of the *effective* ones.

        They are divided by what most of a kernel's weights are multiplied by; NaN where no number
        is that of most.
        """
        theirs = self.weights.reshape(len(self.weights), -1).astype(np.float64)
        ours = effective.reshape(theirs.shape).astype(np.float64)
        found = np.full(theirs.shape, np.nan)
        for row, mine, other in zip(found, ours, theirs, strict=True):
            told = mine != 0
            factors, counts = np.unique(other[told] / mine[told], return_counts=True)
            factor = factors[np.argmax(counts)] if len(counts) else 0.0
            if factor and 2 * counts.max() > np.count_nonzero(told):
                row[:] = np.where(mine * factor == other, mine, other / factor)
        return found.reshape(effective.shape)

    def products(self, sums: Numbers, factors: Numbers) -> Ints:
        """What the operator sums up, but for its bias, where the effective weights make *sums*."""
        return np.rint(sums * (factors / self.x_scale)).astype(np.int64)

    def results(self, sums: Numbers, factors: Numbers) -> F32:
        """What the operator returns where the effective weights make *sums* (n, channels)."""
        accumulators = self.products(sums, factors) + self.bias
        # Into int32 and on to float32, as the operator has it.
        scaled = accumulators.astype(np.int32).astype(np.float32) * self.multipliers
        codes = np.clip(np.rint(scaled) + np.float32(self.zero), *self.ends)
        result: F32 = ((codes - self.zero) * self.y_scale).astype(np.float32)
        return result


class Part(Enum):
    """What is joined beside kernels: codes as they are, and numbers that are rounded to codes."""

    KEPT = "kept"
    ROUNDED = "rounded"


Kernels: TypeAlias = tuple[RoundingKernel | Part, ...]


def rounding_kernels(
    cone: list[onnx.NodeProto], file: OnnxGraph, given: Mapping[str, Meaning]
) -> Kernels:
    """The operators of a cone that round sums: one, or some of the parts joined at its end.

    None where something else computes, or where one takes codes for something else than these are;
    *given* is what inputs are.
    """
    joins = [x for x in cone if x.op_type == "Concat" and file.constant(x.output[0]) is None]
    if len(joins) == 1:
        found = _joined(joins[0], cone, file, given)
    else:
        alone = _rounding_kernel(cone, file, given)
        found = () if alone is None else (alone,)
    fillers = {_filler(x, cone, file) for x in cone if x.op_type == "Pad"}
    zeros = {kernel.zero for kernel in found if isinstance(kernel, RoundingKernel)}
    return found if fillers <= zeros else ()


def _joined(
    join: onnx.NodeProto,
    cone: list[onnx.NodeProto],
    file: OnnxGraph,
    given: Mapping[str, Meaning],
) -> Kernels:
    parts = {name: _before(name, cone) for name in join.input}
    own = {id(node) for part in parts.values() for node in part} | {id(join)}
    if not all(x.op_type in _BEHIND and not x.domain for x in cone if id(x) not in own):
        return ()
    found = {
        name: _rounding_kernel(part, file, given) or _part(part, file, given)
        for name, part in parts.items()
    }
    kernels = [kernel for kernel in found.values() if isinstance(kernel, RoundingKernel)]
    meanings: set[Meaning | None] = {(kernel.y_scale, kernel.zero) for kernel in kernels}
    others = [name for name, kernel in found.items() if isinstance(kernel, Part)]
    meanings.update(meaning_of(name, file, given) for name in others)
    joined = tuple(kernel for name in join.input if (kernel := found[name]) is not None)
    right = kernels and len(joined) == len(join.input) and len(meanings) == 1
    return joined if right else ()


def _part(part: list[onnx.NodeProto], file: OnnxGraph, given: Mapping[str, Meaning]) -> Part | None:
    """What is no kernel, if it does nothing but move codes, or round numbers to these before."""
    working = [node for node in part if file.constant(node.output[0]) is None]
    kinds = {"" if node.domain else node.op_type for node in working}
    if kinds <= MOVING:
        return Part.KEPT
    read = [node for node in working if node.op_type == "DequantizeLinear"]
    rounds = "QuantizeLinear" in kinds and kinds <= MOVING | _QUANTIZING
    return Part.ROUNDED if rounds and all(_is_read(node, file, given) for node in read) else None


def _is_read(node: onnx.NodeProto, file: OnnxGraph, given: Mapping[str, Meaning]) -> bool:
    """Whether a dequantization takes codes for what they are."""
    known = stated(node, (1, 2), file)
    return known is not None and meaning_of(node.input[0], file, given) == known


def _filler(pad: onnx.NodeProto, cone: list[onnx.NodeProto], file: OnnxGraph) -> int | None:
    """The code that is put around others; ``None`` if it is no number, or around what is read."""
    if not any(x.op_type == _ROUNDING for x in _before(pad.input[0], cone)) or pad.attribute:
        return None
    name = input_of(pad, 2)
    value = file.constant(name)
    if name and (value is None or value.size != 1):
        return None
    return 0 if value is None else int(np.squeeze(value))


def _before(name: str, cone: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The operators of a cone that a tensor is computed by, in order."""
    found, needed = list[onnx.NodeProto](), {name}
    for node in reversed(cone):
        if not needed.isdisjoint(node.output):
            found.insert(0, node)
            needed.update(node.input)
    return found


def _rounding_kernel(
    cone: list[onnx.NodeProto], file: OnnxGraph, given: Mapping[str, Meaning]
) -> RoundingKernel | None:
    """The operator of a cone that rounds, with the ``Clip`` behind it, if all else moves codes."""
    working = [node for node in cone if file.constant(node.output[0]) is None]
    linear = [node for node in working if kind_of(node) in LINEAR]
    clips = [node for node in working if node.op_type == "Clip"]
    moving = all(x.op_type in _BESIDE and not x.domain for x in working if x not in linear)
    if len(linear) != 1 or linear[0].op_type != _ROUNDING or len(clips) > 1 or not moving:
        return None
    (node,) = linear
    shifted = any(x.op_type == "BitShift" and x.output[0] != node.input[0] for x in working)
    if shifted or any(clip.input[0] != node.output[0] for clip in clips):
        return None
    kernel = _kernel(node, clips, file)
    zero = file.constant(input_of(node, LINEAR[kind_of(node)].x_zero))
    if kernel is None or zero is None or zero.size != 1:
        return None
    known = meaning_of(node.input[0], file, given)
    return kernel if known == (kernel.x_scale, int(np.squeeze(zero))) else None


def _kernel(
    node: onnx.NodeProto, clips: list[onnx.NodeProto], file: OnnxGraph
) -> RoundingKernel | None:
    places = LINEAR[kind_of(node)]
    codes, zero = codes_of(node, file), file.constant(input_of(node, places.zero))
    scales = [file.constant(input_of(node, place)) for place in (1, 4, 6)]
    y_zero = file.constant(input_of(node, 7))
    if codes is None or zero is None or y_zero is None or any(s is None for s in scales):
        return None
    x_scale, w_scale, y_scale = (np.ravel(np.asarray(s, np.float32)) for s in scales)
    bias = file.constant(input_of(node, places.bias))
    channels = len(codes)
    bias = np.zeros(channels, np.int64) if bias is None else bias.astype(np.int64)
    alone = all(a.size == 1 for a in (x_scale, y_scale, y_zero))
    if not alone or bias.size != channels or {w_scale.size, zero.size} - {1, channels}:
        return None
    ends = _ends(clips, file, y_zero)
    if ends is None:
        return None
    origin = zero.astype(np.int64).reshape(-1, *[1] * (codes.ndim - 1))
    return RoundingKernel(
        node,
        codes.astype(np.int64) - origin,
        bias,
        np.broadcast_to(w_scale, (channels,)),
        x_scale.item(),
        y_scale.item(),
        y_zero.item(),
        ends,
    )


def _ends(clips: list[onnx.NodeProto], file: OnnxGraph, zero: Array) -> tuple[int, int] | None:
    """What is left of the codes of the zero point's type; ``None`` if a bound is no number."""
    info = np.iinfo(zero.dtype)
    ends = [int(info.min), int(info.max)]
    for clip in clips:
        for i, name in enumerate(input_of(clip, place) for place in (1, 2)):
            bound = file.constant(name)
            if name and (bound is None or bound.size != 1):
                return None
            ends[i] = ends[i] if bound is None else int(bound.item())
    return ends[0], ends[1]
