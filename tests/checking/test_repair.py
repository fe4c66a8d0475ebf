"""Constants of a file are moved until its codes are those of the program in TensorFlow's place."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.stored import stored_weights
from qconvert.checking.repair.constants import Constant, constants_in, replaced
from qconvert.checking.repair.moves import (
    MOST_ULPS,
    THRESHOLD,
    Move,
    read_moves,
    with_moves,
    write_moves,
)
from qconvert.checking.results import Verdict
from qconvert.checking.witness import Direct
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Input, Node, Weight
from qconvert.ir.ops import BatchNormalization, Conv, Quantize
from qconvert.ir.quantizers import QuantizedBits
from qconvert.runners.reference import ReferenceRunner
from qconvert.runners.traces import NOTHING, Trace
from tests.checking.batch_normalized import SHAPE, kernel, normalization, plain
from tests.checking.repairing import check, repair

CHANNEL = 2
#: So many codes that some states are next to a boundary.
FINE = QuantizedBits(14, 3, alpha=1.0)
Floats = npt.NDArray[np.floating]


def network(op: BatchNormalization | None = None) -> Graph:
    graph = plain()
    op = op or normalization(1)
    bn, last = Node("v3", op, ("v2",), SHAPE), Node("v4", Quantize(FINE), ("v3",), SHAPE)
    roles = {"gamma": op.gamma, "beta": op.beta, "moving_mean": op.mean}
    weights = {name: Weight(x, x, None) for name, x in roles.items() if x is not None}
    layers = [replace(x, name="v3", weights=weights) if x.name == "bn" else x for x in graph.layers]
    return replace(graph, nodes=(*graph.nodes[:2], bn, last), layers=tuple(layers))


def moved(op: BatchNormalization, ulps: int, more: float = 0.0) -> BatchNormalization:
    """With another offset in one channel."""
    assert op.beta is not None
    beta = op.beta.copy()
    beta[CHANNEL] += more
    for _ in range(abs(ulps)):
        beta[CHANNEL] = np.nextafter(beta[CHANNEL], np.float32(np.sign(ulps) * 99))
    return replace(op, beta=beta)


def constants(model: onnx.ModelProto) -> list[Constant]:
    file = LayeredFile(model)
    return constants_in(file.graph, file.cones["v3"])


def with_offset(model: onnx.ModelProto, ulps: int) -> onnx.ModelProto:
    """A file with a bug: the offset of one channel off by some units in the last place."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    found = constants(copy)
    numbers = found[-1].numbers
    for _ in range(abs(ulps)):
        numbers[CHANNEL] = np.nextafter(numbers[CHANNEL], np.float32(np.sign(ulps) * 99))
    replaced(copy, "planted", [(found[-1], numbers)])
    return copy


@pytest.fixture(scope="module", params=[False, True], ids=["separate", "fused"])
def graph(request: pytest.FixtureRequest) -> Graph:
    return network(normalization(1, fused=request.param))


def test_a_right_file_stays_as_it_is(graph: Graph) -> None:
    model = to_onnx(graph)
    found = repair(graph, model, graph)
    assert found.model == model and not found.moves and not found.unrepaired


def test_a_constant_that_is_off_is_put_right(graph: Graph) -> None:
    broken = with_offset(to_onnx(graph), 40)
    before = check(graph, broken, graph)
    assert before.verdict is Verdict.DIFFERS
    found = repair(graph, broken, graph)
    assert not found.moves and not found.unrepaired
    after = check(graph, found.model, graph)
    assert {x.name: x.finding.verdict for x in after.layers}["act"] is Verdict.PROVEN
    assert after.passed
    right = [each.numbers for each in constants(to_onnx(graph))]
    np.testing.assert_array_equal([each.numbers for each in constants(found.model)], right)


def test_where_tensorflow_computes_otherwise_constants_follow_it() -> None:
    """As without oneDNN: another program of the same normalization, whose codes flip in states."""
    graph = network()
    for ulps in (3, -3, 6, -6, 9, -9, 12, -12):
        theirs = network(moved(normalization(1), ulps))
        found = repair(graph, to_onnx(graph), theirs)
        if found.moves:
            break
    assert not found.unrepaired
    assert {move.layer for move in found.moves} == {"v3"}
    assert {move.channel for move in found.moves} == {CHANNEL}
    assert all(0 < abs(move.ulps) <= MOST_ULPS for move in found.moves)
    assert read_moves(found.model) == found.moves
    before, after = (
        {x.name: x.finding.verdict for x in check(graph, model, theirs).layers}
        for model in (to_onnx(graph), found.model)
    )
    assert before["act"] is not Verdict.PROVEN and after["act"] is Verdict.PROVEN
    assert check(graph, found.model, theirs).repair.moved == found.moves
    again = repair(graph, found.model, theirs)
    assert again.moves == found.moves and not again.unrepaired


def test_codes_that_are_far_off_cannot_be_repaired() -> None:
    graph, theirs = network(), network(moved(normalization(1), 0, 2.0**-10))
    found = repair(graph, to_onnx(graph), theirs)
    (left,) = found.unrepaired
    assert (left.layer, left.channel) == ("act", CHANNEL) and left.states > 1
    assert "near enough" in left.reason and left.example[0][0] == "v2"
    assert found.model == to_onnx(graph)


class Wavering:
    """Another code for the same state in the first sample of every batch."""

    def __init__(self, graph: Graph) -> None:
        self.runner = Direct(ReferenceRunner(graph).run)

    def start(self, inputs: Mapping[str, F32], forced: Mapping[str, F32] = NOTHING) -> None:
        self.runner.start(inputs, forced)

    def finish(self) -> Trace:
        trace = self.runner.finish()
        act = trace.layers["act"].copy()
        act[0, CHANNEL] += 1
        return Trace({**trace.layers, "act": act}, trace.outputs)


def test_a_truth_that_disagrees_with_itself_is_told_and_not_followed() -> None:
    graph = network()
    found = repair(graph, to_onnx(graph), Wavering(graph))
    (left,) = found.unrepaired
    assert "several codes for one state" in left.reason and left.channel == CHANNEL
    assert not found.moves


def test_what_cannot_be_repaired_differs() -> None:
    graph = network()
    report = check(graph, to_onnx(graph), graph)
    assert report.passed
    found = repair(graph, to_onnx(graph), network(moved(normalization(1), 0, 2.0**-10)))
    known = replace(report, repair=replace(report.repair, unrepaired=found.unrepaired))
    assert (known.verdict, known.exit_code) == (Verdict.DIFFERS, 1)


def test_exactly_the_moves_that_the_file_tells_are_accepted() -> None:
    graph = network()
    model = with_offset(to_onnx(graph), 2)
    move = Move("v3", 1, "add", CHANNEL, 2)

    def is_right(*told: Move) -> bool:
        write_moves(model, told)
        found = stored_weights(Conversion(graph, model))["v3", "gamma"]
        return not np.isnan(found).any()

    assert is_right(move)
    assert not is_right()
    for other in ({"ulps": 1}, {"ulps": -2}, {"channel": 0}, {"step": 0}, {"layer": "q"}):
        assert not is_right(replace(move, **other))
    assert not is_right(move, replace(move, channel=0))


def test_moves_that_are_too_far_are_none() -> None:
    model = with_offset(to_onnx(network()), MOST_ULPS + 1)
    write_moves(model, [Move("v3", 1, "add", CHANNEL, MOST_ULPS + 1)])
    assert read_moves(model) == ()


def told(**changed: str) -> str:
    """A text that tells of one move, with fields as JSON."""
    move = {"layer": '"v3"', "step": "1", "constant": '"add"', "channel": "0", "ulps": "1"}
    fields = ", ".join(f'"{name}": {value}' for name, value in {**move, **changed}.items())
    return f'{{"schema": "qconvert.repair/1", "moved": [{{{fields}}}]}}'


def test_what_the_damaged_ones_are_made_of_is_a_move() -> None:
    model = to_onnx(network())
    model.metadata_props.add(key="qconvert.repair", value=told())
    assert read_moves(model) == (Move("v3", 1, "add", 0, 1),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"schema": "qconvert.repair/1"}',
        '{"schema": 3, "moved": []}',
        told(ulps="Infinity"),
        told(ulps=f"{1 << 40}", constant='"threshold"'),
        told(channel="-1"),
    ],
)
def test_damaged_metadata_tells_of_no_moves(text: str) -> None:
    model = to_onnx(network())
    model.metadata_props.add(key="qconvert.repair", value=text)
    assert read_moves(model) == ()


def test_moves_to_places_that_do_not_exist_do_nothing() -> None:
    steps = [("multiply", np.ones(3, np.float32))]
    moves = [Move("v3", 1, "add", 0, 1), Move("v3", 0, "multiply", 3, 1), Move("v", 0, "x", 0, 1)]
    ((_, found),) = with_moves("v3", steps, moves)
    np.testing.assert_array_equal(found, steps[0][1])


def test_others_keep_a_constant_that_they_share() -> None:
    model = to_onnx(network())
    found = constants(model)
    name = found[-1].node.input[found[-1].place]
    other = onnx.helper.make_node("Identity", [name], ["kept"])
    model.graph.node.append(other)
    model.graph.output.add(name="kept")
    replaced(model, "v3", [(found[-1], found[-1].numbers + np.float32(1))])
    kept = OnnxGraph(model.graph).constant("kept")
    assert kept is not None
    np.testing.assert_array_equal(kept.reshape(-1), found[-1].numbers)


def test_constants_stay_such_that_nothing_folds_them() -> None:
    """Behind a convolution, whose channels stand first."""
    op = Conv(kernel(0)[None], None, (1,), (1,), ((0, 0),))
    shapes = (None, 5, 20), (None, 5, 6)
    given = network()
    nodes = [replace(x, shape=shapes[x.name != "v1"]) for x in given.nodes]
    nodes[1] = replace(nodes[1], op=op)
    model = to_onnx(replace(given, inputs=(Input("x", shapes[0]),), nodes=tuple(nodes)))
    first = constants(model)[0]
    assert first.dequantized
    numbers = np.nextafter(first.numbers, np.float32(9))
    replaced(model, "v3", [(first, numbers)])
    after = constants(model)[0]
    assert after.dequantized
    np.testing.assert_array_equal(after.numbers, numbers)
    onnx.checker.check_model(model)


def test_moves_that_add_up_are_none() -> None:
    """Each near enough, and together anywhere."""
    model = onnx.ModelProto()
    write_moves(model, [Move("bn", 1, "add", 0, 4), Move("bn", 1, "add", 0, 4)])
    assert read_moves(model) == ()
    write_moves(model, [Move("bn", 1, "add", 0, 4), Move("bn", 1, "add", 1, 4)])
    assert len(read_moves(model)) == 2


def test_a_threshold_moves_no_constant_of_a_normalization() -> None:
    steps = [("multiply", np.ones(2, np.float32)), ("add", np.ones(2, np.float32))]
    moved = with_moves("bn", steps, [Move("bn", 1, THRESHOLD, 0, 3000), Move("bn", 0, "add", 0, 1)])
    for (_, before), (_, after) in zip(steps, moved, strict=True):
        np.testing.assert_array_equal(before, after)
