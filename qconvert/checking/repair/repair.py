"""Repair an exported file: where ONNX Runtime's codes are not TensorFlow's, move its constants."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import onnx

from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.inputs import Batch
from qconvert.checking.repair.codes import Codes, all_codes
from qconvert.checking.repair.computed import normalization_of, with_program
from qconvert.checking.repair.constants import constants_in, replaced
from qconvert.checking.repair.kernels import demands, follow_kernels
from qconvert.checking.repair.lines import follow_lines
from qconvert.checking.repair.moves import Move, Unrepaired, moves_between, write_moves
from qconvert.checking.repair.search import Normalization, solved
from qconvert.checking.repair.tables import follow_tables
from qconvert.checking.witness import Panel, Witness
from qconvert.errors import WitnessError
from qconvert.exactness import analyse
from qconvert.ir import F32, Graph
from qconvert.reference.normalization import constants
from qconvert.runners.interface import InputDomain

_AMBIGUOUS = "TensorFlow has several codes for one state"
_NONE_IN_REACH = "no constants of a normalization before it are near enough"

#: By node of the graph, the numbers of each step of its program.
_Numbers = dict[str, list[F32]]


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """A file with other constants, all that these are off the model's, and what is left."""

    model: onnx.ModelProto
    moves: tuple[Move, ...] = ()
    unrepaired: tuple[Unrepaired, ...] = ()


def repaired(
    graph: Graph,
    model: onnx.ModelProto,
    assembled: Callable[[onnx.ModelProto], Panel],
    probe: Batch,
    domains: Mapping[str, InputDomain] = MappingProxyType({}),
) -> Repaired:
    """*model* with constants by which all tables are TensorFlow's, for inputs of the *domains*.

    The panels that *assembled* makes run it; if a witness is missing or fails, it stays as it is.
    """
    known = restored(graph, model, domains)
    panel = assembled(known)
    if panel.unavailable or Witness.TENSORFLOW not in panel.runners:
        return Repaired(model)
    try:
        return _moved(graph, known, panel, probe, domains)
    except WitnessError:
        # Which the check that follows finds and tells.
        return Repaired(model)


def restored(
    graph: Graph, model: onnx.ModelProto, domains: Mapping[str, InputDomain]
) -> onnx.ModelProto:
    """*model* with the constants of normalizations that the model's weights make, unmoved."""
    copy = _copied(model)
    found = _normalizations(graph, copy, domains)
    _put(copy, found, {name: [x for _, x in each.expected] for name, each in found.items()})
    write_moves(copy, ())
    return copy


def _moved(
    graph: Graph,
    model: onnx.ModelProto,
    panel: Panel,
    probe: Batch,
    domains: Mapping[str, InputDomain],
) -> Repaired:
    """A `restored` *model*, with its constants moved where codes flip."""
    copy, analysis = _copied(model), analyse(graph, domains)
    found = _normalizations(graph, copy, domains)
    numbers = {name: [x.copy() for _, x in each.expected] for name, each in found.items()}
    left: list[Unrepaired] = []
    for codes in all_codes(graph, analysis, panel, probe):
        between = [found[node.name] for node in codes.cone.nodes if node.name in found]
        left += _of_cone(codes, between, numbers)
    tables = list(follow_tables(graph, analysis, copy, panel))
    left += [each for each in tables if isinstance(each, Unrepaired)]
    moves = _put(copy, found, numbers)
    program = with_program(graph, moves)
    rounded = [*follow_kernels(program, copy, domains), *follow_lines(program, copy, domains)]
    left += rounded
    # Kernels and lines that cannot follow stay where the model's own numbers have them.
    stuck = {(each.layer, each.channel) for each in rounded}
    moves = [x for x in moves if (panel.fused.get(x.layer, x.layer), x.channel) not in stuck]
    moves += [each for each in tables if isinstance(each, Move)]
    write_moves(copy, moves)
    return Repaired(copy, tuple(moves), tuple(left))


def _copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _normalizations(
    graph: Graph, model: onnx.ModelProto, domains: Mapping[str, InputDomain]
) -> dict[str, Normalization]:
    """By node, those of which the file has the program, step by step, or a kernel that follows."""
    file, result = LayeredFile(model), dict[str, Normalization]()
    followed = demands(graph, file, domains)
    followed_ends = followed.keys() | file.lines.keys()
    fused = {layer.layer for layer in file.layers if layer.fused_into in followed_ends}
    for layer in graph.layers:
        op = normalization_of(graph, layer)
        stored = constants_in(file.graph, file.cones.get(layer.name, []))
        if op is None:
            continue
        expected = constants(op)
        if layer.name in fused:
            result[layer.value] = Normalization(layer.value, layer.name, op, [], expected)
        elif [each.kind for each in stored] == [kind for kind, _ in expected]:
            result[layer.value] = Normalization(layer.value, layer.name, op, stored, expected)
    return result


def _of_cone(
    codes: Codes, between: Sequence[Normalization], numbers: _Numbers
) -> Iterator[Unrepaired]:
    """Change the *numbers* of channels in which codes flip; those for which there are none."""
    several = codes.ambiguous
    for channel in np.flatnonzero(codes.flipped.any(axis=0)).tolist():
        solution = None if several[channel] else _solution(codes, between, channel)
        if solution is None:
            reason = _AMBIGUOUS if several[channel] else _NONE_IN_REACH
            yield Unrepaired(codes.layer.name, reason, channel, *_flips(codes, channel))
            continue
        node, values = solution
        for array, value in zip(numbers[node], values, strict=True):
            array[channel] = value


def _solution(
    codes: Codes, between: Sequence[Normalization], channel: int
) -> tuple[str, list[float]] | None:
    for each in between:
        values = solved(codes, each, channel)
        if values is not None:
            return each.node, values
    return None


def _flips(codes: Codes, channel: int) -> tuple[int, tuple[tuple[str, float], ...]]:
    """In how many states of a channel codes flip, and one of them."""
    rows = codes.flipped[:, channel]
    states = np.stack([x[rows, channel] for x in codes.sources.values()])
    first = zip(codes.sources, states[:, 0].tolist(), strict=True)
    return np.unique(states, axis=1).shape[1], tuple(first)


def _put(
    model: onnx.ModelProto, found: Mapping[str, Normalization], numbers: _Numbers
) -> list[Move]:
    """Have *model* compute with *numbers*; by how much they are off the model's."""
    moves: list[Move] = []
    for name, each in found.items():
        moves += moves_between(each.layer, each.expected, numbers[name])
        # Inside of a kernel there are no constants: its own follow.
        pairs = zip(each.constants, numbers[name], strict=False)
        replaced(model, each.layer, [(a, b) for a, b in pairs if not np.array_equal(a.flat, b)])
    return moves
