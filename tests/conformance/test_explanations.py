"""Explanations of every layer that can be converted: all terms add up to what it returns."""

from collections import Counter
from collections.abc import Iterator
from types import ModuleType
from typing import Final

import numpy as np
import pytest

from qconvert.exactness import analyse
from qconvert.explaining import Explanation, Run, Step, explain
from qconvert.explaining.results import Loop
from qconvert.frontend import build_graph
from qconvert.frontend.live import model_file
from qconvert.ir import Graph
from qconvert.reference import evaluate
from tests.explaining.recomputed import faults

#: Elements of every layer, besides the one that is chosen without an index.
ELEMENTS: Final = 3


@pytest.fixture(scope="module")
def run(tf: ModuleType) -> Run:
    """One model of all cases of the table in docs/SUPPORT.md, and a sample of it."""
    from scripts.support import building

    built = building.model_of(list(building.layers()))
    graph = build_graph(model_file(built.model))
    inputs = {name: array[:1] for name, array in built.inputs.items()}
    return Run("m", "0" * 64, graph, evaluate(graph, inputs), analyse(graph), "a sample")


def explanations(run: Run) -> Iterator[Explanation]:
    random = np.random.default_rng(0)
    for layer in run.graph.layers:
        shape = run.values[layer.value].shape[1:]
        yield explain(run, layer.name)
        for _ in range(ELEMENTS):
            yield explain(run, layer.name, [int(random.integers(n)) for n in shape])


def operations(steps: tuple[Step, ...]) -> Iterator[str]:
    for step in steps:
        yield step.operation
        if isinstance(step.reason, Loop):
            yield from operations(step.reason.steps)


def test_all_terms_add_up_to_what_the_layer_returns(run: Run) -> None:
    wrong = [
        f"{one.layer} ({one.class_name}) {one.index}: {fault}"
        for one in explanations(run)
        for fault in faults(one.steps)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_last_step_is_the_element(run: Run) -> None:
    for one in explanations(run):
        if one.steps:
            last = one.steps[-1].result
            assert (last.index, last.number) == (one.index, one.value)
