"""Convolutions of a file that round their sums to codes themselves, held against the model.

In the model they are convolutions, or means over windows. Whatever stood between the sums of a
layer and its quantizer is in the numbers of a `RoundingKernel`, so what they are is judged by what
they do: for every sum that the layer can have, the code is compared with that of the reference.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.checking.deployed.kernel_forms import form_of, over_windows, weights_of
from qconvert.checking.deployed.paths import is_mean, moves
from qconvert.checking.deployed.rounding_kernel import Kernels, Numbers, Part, RoundingKernel
from qconvert.exactness import Analysis, Doubt, Reach, Sums, product_sums
from qconvert.ir import F32, Node
from qconvert.ir.ops import Conv, ConvTranspose, Dense, Pool
from qconvert.reference import apply

Mask = npt.NDArray[np.bool_]

#: The largest code of a byte.
_BYTE: Final = 255
#: All sums of all channels together that are gone through.
_MOST_STATES: Final = 1 << 28
_CHUNK: Final = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """What a kernel has to return: the reference's results for all sums of a convolution or mean.

    Behind *linear*, whose sums are of *count* numbers that it takes the mean of, come *nodes*.
    ``effective`` are the weights as the operator has them, with one kernel for each of its
    ``sums``; several of a transposed convolution are of one channel.
    """

    linear: Node
    count: int
    nodes: Sequence[Node]
    effective: F32
    sums: Sums

    @property
    def channels(self) -> int:
        """How many the result has: kernel ``i`` is of channel ``i % channels``."""
        return self.linear.shape[-1] or 1

    def states(self) -> Iterator[tuple[Numbers, F32]]:
        """All sums of products, and what the last node makes of them: (n, kernels), in parts."""
        counts = self.sums.hi - self.sums.lo + 1
        rows = max(1, _CHUNK // len(counts))
        for start in range(0, int(counts.max()), rows):
            codes = self.sums.lo + np.arange(start, start + rows)[:, np.newaxis]
            exact = np.ldexp(np.minimum(codes, self.sums.hi).astype(np.float64), self.sums.exp)
            expected = self.behind(exact)
            for node in self.nodes:
                expected = apply(node.op, expected)
            yield exact, expected.reshape(exact.shape)

    def behind(self, sums: Numbers) -> F32:
        """The results of *linear*, (n, channels), for its sums."""
        result = sums.astype(np.float32).reshape(-1, self.channels)
        op = self.linear.op
        if isinstance(op, Conv | ConvTranspose) and op.bias is not None:
            result = result + op.bias
        return result / np.float32(self.count)

    def right(self, kernel: RoundingKernel) -> tuple[Numbers, Mask]:
        """By kernel what effective weights are multiplied by (or NaN), and if all codes are these.

        They cannot be where the weights are no multiples.
        """
        factors = kernel.factors(self.effective)
        right: Mask = np.isfinite(factors)
        known = np.where(right, factors, 0.0)
        for sums, expected in self.states():
            right &= np.all(kernel.results(sums, known) == expected, axis=0)
        return factors, right


def demanded(path: Sequence[Node], analysis: Analysis, kernel: RoundingKernel) -> Demand | None:
    """What *kernel* has to return in the place of a *path*, one of `paths_to` a value.

    ``None`` where that is no function of one sum a channel, or these cannot all be gone through.
    """
    linear, *behind = path
    nodes = [node for node in behind if not moves(node)]
    if isinstance(linear.op, Dense):
        # Of which nothing here is a kernel.
        return None
    count = math.prod(linear.op.window) if isinstance(linear.op, Pool) else 1
    if nodes and isinstance(nodes[0].op, Pool):
        mean, nodes = nodes[0], nodes[1:]
        if not _is_exact(linear, mean, analysis):
            return None
        linear, count = _over_windows(linear, mean)
    conv = form_of(linear, kernel.weights)
    sums = None if conv is None else product_sums(replace(linear, op=conv), analysis.values)
    if conv is None or sums is None or len(sums.lo) != len(kernel.bias):
        return None
    if not _is_laid_out(kernel.node, conv):
        return None
    if int((sums.hi - sums.lo + 1).max()) * len(sums.lo) > _MOST_STATES:
        return None
    return Demand(linear, count, nodes, np.moveaxis(conv.kernel, (-1, -2), (0, 1)), sums)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """By channel, whether weights are the model's times one number, and codes for all sums.

    Kernels of a *transposed* convolution have their channels on the last axis but one. ``kernel``
    are the weights of another one, as far as they can be told (else NaN).
    """

    weights: Mask
    codes: Mask
    transposed: bool = False
    kernel: F32 | None = None


def judged(path: Sequence[Node], analysis: Analysis, kernel: RoundingKernel) -> Judged | None:
    """Whether *kernel* returns what a *path* does; ``None`` where that cannot be told."""
    demand = demanded(path, analysis, kernel)
    if demand is None:
        return None
    factors, right = demand.right(kernel)
    # The kernels of one channel of a transposed convolution stand apart by all channels.
    weights, codes = (
        np.all(each.reshape(-1, demand.channels), axis=0) for each in (np.isfinite(factors), right)
    )
    if isinstance(demand.linear.op, ConvTranspose):
        return Judged(weights, codes, transposed=True)
    likely = np.moveaxis(kernel.likely(demand.effective), (0, 1), (-1, -2)).astype(np.float32)
    return Judged(weights, codes, kernel=weights_of(likely, demand.linear.op))


def judged_together(
    paths: Sequence[Sequence[Node]], kernels: Kernels, analysis: Analysis
) -> list[tuple[Sequence[Node], Judged]]:
    """Each path of which there is a kernel, with what is found of this.

    Nothing where one of them cannot be told, or where codes are left as they are and should not.
    """
    if len(paths) != len(kernels):
        return []
    found: list[tuple[Sequence[Node], Judged]] = []
    for path, kernel in zip(paths, kernels, strict=True):
        if isinstance(kernel, Part):
            if kernel is Part.KEPT and not _is_kept(path, analysis):
                return []
            continue
        # Of a mean that is joined no weights would tell.
        readable = len(paths) == 1 or not is_mean(path[0])
        one = judged(path, analysis, kernel) if readable else None
        if one is None:
            return []
        found.append((path, one))
    return found


def _is_kept(path: Sequence[Node], analysis: Analysis) -> bool:
    """Whether all numbers that a *path* begins with are what it ends with."""
    value, *behind = path
    reach = analysis.values.get(value.name)
    if not isinstance(reach, Reach) or int((reach.hi - reach.lo).max()) > _BYTE:
        return False
    codes = np.minimum(reach.lo + np.arange(_BYTE + 1)[:, np.newaxis], reach.hi)
    numbers = np.ldexp(codes, reach.exp).astype(np.float32)
    found = numbers
    for node in behind:
        found = found if moves(node) else apply(node.op, found)
    return bool(np.array_equal(found, numbers))


def _is_laid_out(node: onnx.NodeProto, conv: Conv) -> bool:
    """Whether an operator visits the same elements as the convolution."""
    stated = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    begin, end = zip(*conv.padding, strict=True)
    ones, zeros = [1] * len(begin), [0] * (2 * len(begin))
    usual = {"strides": ones, "dilations": ones, "pads": zeros, "group": 1, "auto_pad": b"NOTSET"}
    wanted = {
        "strides": list(conv.strides),
        "dilations": list(conv.dilations),
        "pads": [*begin, *end],
        "group": conv.groups,
        "auto_pad": b"NOTSET",
    }
    return {name: (usual | stated)[name] for name in wanted} == wanted


def _is_exact(conv: Node, mean: Node, analysis: Analysis) -> bool:
    """Whether what a *mean* divides are sums of equally many results that do not round."""
    certified = isinstance(analysis.values[conv.name], Reach)
    equal = isinstance(mean.op, Pool) and not any(map(any, mean.op.padding))
    return equal and certified and not isinstance(analysis.certificates[mean.name], Doubt)


def _over_windows(conv: Node, mean: Node) -> tuple[Node, int]:
    """The sums that *mean* divides of what *conv* returns, and how many numbers they are of."""
    assert isinstance(conv.op, Conv)
    assert isinstance(mean.op, Pool)
    sums = replace(conv, op=over_windows(conv.op, mean.op), shape=mean.shape)
    return sums, math.prod(mean.op.window)
