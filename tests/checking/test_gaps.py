"""Chosen samples leave steps out wherever a mask reads them."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.checking.inputs import seeded
from qconvert.ir import F32, Graph, Input, Node, Op, Output, Shape, infer_shape
from qconvert.ir.ops import Dense, Merge, Quantize, Reduce, Reshape
from qconvert.ir.quantizers import QuantizedBits
from qconvert.ir.stock import Embedding, StepMask

Step = tuple[str, Op, tuple[str, ...]]
MASK: Step = ("mask", StepMask(-1.0), ("x",))


def graph_of(shape: Shape, *steps: Step) -> Graph:
    nodes: list[Node] = []
    shapes = {"x": shape}
    for name, op, read in steps:
        shapes[name] = infer_shape(op, *(shapes[each] for each in read))
        nodes.append(Node(name, op, read, shapes[name]))
    return Graph("g", (Input("x", shape),), tuple(nodes), (Output("y", nodes[-1].name),), ())


def samples(graph: Graph, count: int = 64) -> F32:
    return np.concatenate([batch["x"] for batch in seeded(graph, count).batches])


def patterns(graph: Graph, value: float, count: int = 64) -> set[str]:
    """The masks that occur, as texts of 1 and 0."""
    x = samples(graph, count)
    counts = np.any(x.reshape(*x.shape[:2], -1) != value, axis=-1).astype(int)
    return {"".join(map(str, row)) for row in counts}


def test_steps_are_left_out_everywhere(value: float = -1.0) -> None:
    found = patterns(graph_of((None, 4, 3), MASK), value)
    assert {"1111", "0000"} <= found
    assert any(p.startswith("0") and p.endswith("1") for p in found)
    assert any(p.startswith("1") and p.endswith("0") for p in found)
    assert any(p.strip("1") and p.startswith("1") and p.endswith("1") for p in found)


def test_some_step_counts_by_a_single_number() -> None:
    x = samples(graph_of((None, 4, 3), MASK))
    assert np.any(np.sum(x == -1, axis=2) == 2)


@pytest.mark.parametrize("shape", [(None, 4, 3), (None, None, 3)])
def test_behind_a_quantizer_and_of_any_length(shape: Shape) -> None:
    bits = Quantize(QuantizedBits(4, 2, alpha=1.0))
    graph = graph_of(shape, ("q", bits, ("x",)), ("mask", StepMask(-1.0), ("q",)))
    assert len(patterns(graph, -1.0)) > 6


def test_numbers_of_rows_and_flat_steps() -> None:
    column = Reshape((5, 1))
    table: Step = ("rows", Embedding(np.zeros((9, 2), np.float32)), ("x",))
    graph = graph_of((None, 5), table, ("c", column, ("x",)), ("mask", StepMask(0.0), ("c",)))
    assert len(patterns(graph, 0.0)) > 10
    flat = graph_of((None, 6), ("f", Reshape((3, 2)), ("x",)), ("mask", StepMask(7.0), ("f",)))
    steps = np.all(samples(flat).reshape(-1, 3, 2) == 7, axis=2)
    assert len(np.unique(steps, axis=0)) > 6


def test_a_mean_of_no_steps_is_not_asked_for() -> None:
    mask: Step = ("mask", StepMask(0.0), ("x",))
    both: Step = ("both", Merge("minimum"), ("mask", "mask"))
    count: Step = ("count", Reduce("sum", (1,), False), ("both",))
    found = patterns(graph_of((None, 4, 3), mask, both, count), 0.0, 200)
    assert "0000" not in found and len(found) > 8
    assert "0000" in patterns(graph_of((None, 4, 3), mask, both), 0.0, 200)


def test_quantizers_behind_a_mask_get_their_ties() -> None:
    masked: Step = ("masked", Merge("multiply"), ("x", "mask"))
    bits: Step = ("q", Quantize(QuantizedBits(4, 0, alpha=1.0)), ("masked",))
    x = samples(graph_of((None, 4, 3), MASK, masked, bits), 200)
    assert {0.0625, 0.1875, 0.3125} <= set(x.ravel().tolist())


def test_other_models_get_what_they_got(graph: Graph, monkeypatch: Any) -> None:
    before = samples(graph, 20)
    monkeypatch.setattr("qconvert.checking.inputs.with_gaps", None)
    assert_array_equal(samples(graph, 20), before)
    dense: Step = ("d", Dense(np.ones((3, 2), np.float32), None), ("x",))
    deeper = graph_of((None, 4, 3), dense, ("mask", StepMask(0.0), ("d",)))
    assert len(samples(deeper, 20)) == 20
