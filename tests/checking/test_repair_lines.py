"""Lines get other numbers where their codes are not those of TensorFlow's place."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.lined import judged_lines
from qconvert.checking.repair.moves import read_moves, write_moves
from qconvert.checking.results import Verdict
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph
from qconvert.ir.ops import BatchNormalization

from .deployed_models import change
from .repairing import check, repair
from .test_lined import CHANNELS, addend_of, convolution, dense, shifted


def with_beta(graph: Graph, by: int) -> Graph:
    """The normalization's offset is so many float32 numbers off in every channel."""

    def moved(op: BatchNormalization) -> BatchNormalization:
        assert op.beta is not None
        beta: F32 = (op.beta.view(np.int32) + by).view(np.float32)
        return replace(op, beta=beta)

    nodes = (
        replace(x, op=moved(x.op)) if isinstance(x.op, BatchNormalization) else x
        for x in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes))


def test_lines_follow_tensorflow_and_the_check_agrees() -> None:
    graph = convolution()
    model = to_onnx(graph)
    truth = with_beta(graph, 4)
    fixed = repair(graph, model, truth)
    assert fixed.unrepaired == ()
    assert fixed.moves and {move.layer for move in fixed.moves} == {"norm"}
    assert read_moves(fixed.model) == fixed.moves
    found = judged_lines(Conversion(graph, fixed.model))["act"]
    assert found is not None
    assert found.codes.all()
    report = check(graph, fixed.model, truth)
    assert {x.name: x.finding.verdict for x in report.layers}["act"] is Verdict.PROVEN
    # Without what the file says of its moves these are other codes than the model's.
    write_moves(fixed.model, ())
    found = judged_lines(Conversion(graph, fixed.model))["act"]
    assert found is not None
    assert not found.codes.all()


@pytest.mark.parametrize("make", [convolution, dense])
def test_a_right_line_stays_as_it_is(make: Callable[[], Graph]) -> None:
    graph = make()
    model = to_onnx(graph)
    fixed = repair(graph, model, graph)
    assert (fixed.moves, fixed.unrepaired) == ((), ())
    before, after = (LayeredFile(x).lines["act"] for x in (model, fixed.model))
    np.testing.assert_array_equal(before.factor, after.factor)
    np.testing.assert_array_equal(before.addend, after.addend)


@pytest.mark.parametrize("make", [convolution, dense])
def test_wrong_numbers_are_put_right(make: Callable[[], Graph]) -> None:
    graph = make()
    model = to_onnx(graph)
    change(model, addend_of(model), shifted(2.0**-5, 1))
    fixed = repair(graph, model, graph)
    assert (fixed.moves, fixed.unrepaired) == ((), ())
    found = judged_lines(Conversion(graph, fixed.model))["act"]
    assert found is not None
    assert found.codes.tolist() == [True] * CHANNELS
