"""Lines of a file, made to return the codes of a repaired reference."""

from collections.abc import Iterator, Mapping

import numpy as np
import onnx

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.float_line import FloatLine
from qconvert.checking.deployed.lined import Wanted, wanted
from qconvert.checking.repair.constants import constants_in, replaced
from qconvert.checking.repair.moves import Unrepaired
from qconvert.emit.requantization.epilogue import Stairs
from qconvert.emit.requantization.float_line import FloatLine as Numbers
from qconvert.emit.requantization.float_line import float_line
from qconvert.ir import F32, Graph
from qconvert.runners.interface import InputDomain

_NO_NUMBERS = "no numbers in the place of its normalization return them"


def follow_lines(
    graph: Graph, model: onnx.ModelProto, domains: Mapping[str, InputDomain]
) -> Iterator[Unrepaired]:
    """Give lines of *model* that return other codes than *graph* other numbers.

    A channel that has none keeps its own, and is told.
    """
    conversion = Conversion(graph, model, domains)
    values = {layer.name: layer.value for layer in graph.layers}
    for name, line in conversion.file.lines.items():
        ends = values.get(name, ""), values.get(line.source, "")
        found = wanted(graph, conversion.analysis, *ends, line)
        if found is not None:
            yield from _follow(name, line, found, conversion)


def _follow(
    layer: str, line: FloatLine, found: Wanted, conversion: Conversion
) -> Iterator[Unrepaired]:
    wrong = np.flatnonzero(~found.right(line)).tolist()
    constants = constants_in(conversion.file.graph, line.nodes)
    arrays = [each.numbers.copy() for each in constants]
    for channel in wrong:
        own = _numbers(found, channel, shifts=line.shift is not None)
        if own is None:
            yield Unrepaired(layer, _NO_NUMBERS, channel, *_flips(line, found, channel))
            continue
        shift = np.zeros(1, np.float32) if own.shift is None else own.shift
        numbers = (shift, own.factor, own.addend)[-len(arrays) :]
        for array, (number,) in zip(arrays, numbers, strict=True):
            array[channel] = number
    if wrong:
        replaced(conversion.file.model, layer, list(zip(constants, arrays, strict=True)))


def _numbers(found: Wanted, channel: int, *, shifts: bool) -> Numbers | None:
    """Those of one channel; the search is that of ``export``, and what it finds is judged again."""
    low, high = int(found.lattice.lo[channel]), int(found.lattice.hi[channel])
    first, last = found.codes(np.stack([found.lattice.lo, found.lattice.hi]))[:, channel].tolist()
    falling = first > last
    sign = -1 if falling else 1
    least, most = sorted((first, last))
    thresholds = sign * found.boundaries()[1][: most - least, channel]
    lo, hi = sorted((sign * low, sign * high))
    exp = np.frexp(found.lattice.scale[channel : channel + 1])[1].astype(np.int64) - 1
    one = Stairs(lo, hi, least, most, thresholds, falling)
    return float_line([one], found.grid, exp, shifts=shifts)


def _flips(
    line: FloatLine, found: Wanted, channel: int
) -> tuple[int, tuple[tuple[str, float], ...]]:
    """At how many of the states next to boundaries another code is returned, and one of them."""
    states = found.states()
    numbers: F32 = found.lattice.at(states)[0]
    expected = found.codes(states) * np.float32(found.grid.step)
    flipped = np.any([y != expected for y in line.results(numbers)], axis=0)[:, channel]
    (source,) = found.cone.sources
    own = np.unique(numbers[flipped, channel])
    return len(own), ((source, float(own[0])),)
