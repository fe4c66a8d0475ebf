"""Kernels of a file that round sums to codes, made to return those of a repaired reference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import numpy_helper

from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.paths import fusions, paths_to
from qconvert.checking.deployed.requantized import Demand, Mask, demanded
from qconvert.checking.deployed.rounding_kernel import Ints, Numbers, RoundingKernel
from qconvert.checking.repair.constants import drop_unused, unused
from qconvert.checking.repair.moves import Unrepaired
from qconvert.checking.repair.stairs import Stairs, climbed
from qconvert.exactness import Analysis, analyse
from qconvert.ir import Graph
from qconvert.runners.interface import InputDomain

_NO_NUMBERS = "no bias and scale of its kernel, with these weights, return them"
#: The inputs of a ``QLinearConv`` that are replaced.
_SCALE, _BIAS = 4, 8


@dataclass(frozen=True, slots=True, eq=False)
class Demanded:
    """A kernel of *layer*'s and what it has to return."""

    layer: str
    kernel: RoundingKernel
    demand: Demand


def demands(
    graph: Graph, file: LayeredFile, domains: Mapping[str, InputDomain]
) -> dict[str, Demanded]:
    """By layer those kernels of *file* whose sums, of inputs of *domains*, are not too many.

    Without those that are joined, whose channels are not those of the layer.
    """
    kernels, values = file.kernels, {layer.name: layer.value for layer in graph.layers}
    analysis = analyse(graph, domains) if kernels else Analysis()
    inside = [values[name] for name in fusions(graph, file.layers)]
    found: dict[str, Demanded] = {}
    for layer, each in kernels.items():
        paths = paths_to(graph, values.get(layer, ""), inside)
        kernel = each[0]
        if len(paths) == len(each) == 1 and isinstance(kernel, RoundingKernel):
            demand = demanded(paths[0], analysis, kernel)
            found |= {} if demand is None else {layer: Demanded(layer, kernel, demand)}
    return found


def follow_kernels(
    graph: Graph, model: onnx.ModelProto, domains: Mapping[str, InputDomain]
) -> Iterator[Unrepaired]:
    """Give kernels of *model* that return other codes than *graph* another bias and scale.

    What has none keeps its numbers, and is told.
    """
    for each in demands(graph, LayeredFile(model), domains).values():
        yield from _follow(each, model)


def _follow(each: Demanded, model: onnx.ModelProto) -> Iterator[Unrepaired]:
    kernel, demand = each.kernel, each.demand
    factors, right = demand.right(kernel)
    # Other weights than the model's are no matter of rounding: the check finds them.
    wrong = np.isfinite(factors) & ~right
    if not wrong.any():
        return
    other = _with(kernel, _numbers(each, factors, np.flatnonzero(wrong)))
    stuck = _of_channels(wrong & ~demand.right(other)[1], demand.channels)
    keep = ~wrong | np.resize(stuck, len(wrong))
    _put(
        model,
        each.layer,
        replace(
            other,
            bias=np.where(keep, kernel.bias, other.bias),
            scales=np.where(keep, kernel.scales, other.scales),
        ),
    )
    for channel in np.flatnonzero(stuck).tolist():
        yield _unrepaired(each, factors, channel)


def _of_channels(kernels: Mask, channels: int) -> Mask:
    """Whether any kernel of a channel is one of these."""
    return np.asarray(kernels.reshape(-1, channels).any(axis=0))


def _numbers(each: Demanded, factors: Numbers, wrong: Ints) -> dict[int, tuple[int, float]]:
    """By kernel the bias and the multiplier that were found."""
    found = zip(wrong.tolist(), _stairs(each, factors, wrong), strict=True)
    return {i: numbers for i, stairs in found if (numbers := climbed(stairs)) is not None}


def _with(kernel: RoundingKernel, numbers: Mapping[int, tuple[int, float]]) -> RoundingKernel:
    bias, scales = kernel.bias.copy(), kernel.scales.copy()
    for i, (own, multiplier) in numbers.items():
        bias[i], scales[i] = own, multiplier * (kernel.y_scale / kernel.x_scale)
    return replace(kernel, bias=bias, scales=scales)


def _stairs(each: Demanded, factors: Numbers, wrong: Ints) -> list[Stairs]:
    """Of some kernels, all that bounds their numbers."""
    kernel = each.kernel
    known = np.where(np.isfinite(factors), factors, 0.0)
    parts: list[list[Ints]] = [[] for _ in wrong]
    for sums, expected in each.demand.states():
        products = kernel.products(sums, known)[:, wrong]
        codes = np.rint(expected[:, wrong] / kernel.y_scale).astype(np.int64)
        for i, part in enumerate(parts):
            part.append(np.stack([products[:, i], codes[:, i]])[:, _turns(codes[:, i])])
    lo, hi = (end - kernel.zero for end in kernel.ends)
    ends = (np.concatenate(part, axis=1) for part in parts)
    return [Stairs(products, codes, lo, hi) for products, codes in ends]


def _turns(codes: Ints) -> Mask:
    """Where codes begin, change and end."""
    changed = np.diff(codes) != 0
    turns: Mask = np.append(True, changed) | np.append(changed, True)
    return turns


def _unrepaired(each: Demanded, factors: Numbers, channel: int) -> Unrepaired:
    """In how many states of a channel the kernel returns other codes, and one of them."""
    known = np.where(np.isfinite(factors), factors, 0.0)
    numbers: list[Numbers] = []
    for sums, expected in each.demand.states():
        differ = each.kernel.results(sums, known) != expected
        own = differ.reshape(-1, each.demand.channels)[:, channel]
        numbers.append(each.demand.behind(sums)[own, channel])
    states = np.unique(np.concatenate(numbers))
    example = ((each.demand.linear.name, float(states[0])),)
    return Unrepaired(each.layer, _NO_NUMBERS, channel, len(states), example)


def _put(model: onnx.ModelProto, layer: str, kernel: RoundingKernel) -> None:
    """Numbers of its own for the operator: what others share stays."""
    node = kernel.node
    new: Sequence[tuple[int, str, np.ndarray]] = (
        (_SCALE, "kernel_scale", kernel.scales),
        (_BIAS, "bias", kernel.bias.astype(np.int32)),
    )
    del node.input[_BIAS + 1 :]
    for place, role, array in new:
        name = unused(model, f"{layer}/{role}")
        model.graph.initializer.append(numpy_helper.from_array(array, name))
        node.input[place : place + 1] = [name]
    drop_unused(model)
