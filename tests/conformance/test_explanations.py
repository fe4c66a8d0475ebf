"""Explanations of every layer that can be converted: all terms add up to what it returns."""

import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Final, get_args

import numpy as np
import pytest

from qconvert.exactness import analyse
from qconvert.explaining import Explanation, Run, Step, explain
from qconvert.explaining.results import Loop
from qconvert.frontend import build_graph
from qconvert.frontend.live import model_file
from qconvert.ir import Op
from qconvert.reference import evaluate
from tests.explaining.recomputed import faults

#: Elements of every layer, besides the one that is chosen without an index.
ELEMENTS: Final = 3
#: What none of these layers is made of, and tests/explaining has.
ELSEWHERE: Final = {"Affine", "Opaque", "Power"}


@pytest.fixture(scope="module")
def run(tf: ModuleType) -> Run:
    """One model of the first and the last case of each class in docs/SUPPORT.md, and a sample."""
    from tensorflow.python.ops import array_ops
    from tensorflow.python.util import nest

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # What QKeras 0.9.0 uses of TensorFlow and TensorFlow no longer has.
        patch.setattr(array_ops, "stack", tf.stack, raising=False)
        patch.setattr(array_ops, "unstack", tf.unstack, raising=False)
        patch.setattr(nest, "is_sequence", nest.is_nested, raising=False)
        from scripts.support import building

        cases = (each for each in building.layers())
        ends = [x for x in cases if x.options in (x.family.cases[0], x.family.cases[-1])]
        built = building.model_of(ends)
    graph = build_graph(model_file(built.model))
    inputs = {name: array[:1] for name, array in built.inputs.items()}
    return Run("m", "0" * 64, graph, evaluate(graph, inputs), analyse(graph), "a sample")


@pytest.fixture(scope="module")
def explained(run: Run) -> list[Explanation]:
    random = np.random.default_rng(0)
    found = []
    for layer in run.graph.layers:
        shape = run.values[layer.value].shape[1:]
        found.append(explain(run, layer.name))
        for _ in range(ELEMENTS):
            found.append(explain(run, layer.name, [int(random.integers(n)) for n in shape]))
    return found


def operations(steps: tuple[Step, ...]) -> Iterator[str]:
    for step in steps:
        yield step.operation
        if isinstance(step.reason, Loop):
            yield from operations(step.reason.steps)


def test_all_terms_add_up_to_what_the_layer_returns(explained: list[Explanation]) -> None:
    wrong = [
        f"{one.layer} ({one.class_name}) {one.index}: {fault}"
        for one in explained
        for fault in faults(one.steps)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_last_step_is_the_element(explained: list[Explanation]) -> None:
    for one in explained:
        if one.steps:
            last = one.steps[-1].result
            assert (last.index, last.number) == (one.index, one.value)


def test_every_operation_was_explained(explained: list[Explanation]) -> None:
    seen = {name for one in explained for name in operations(one.steps)}
    assert {op.__name__ for op in get_args(Op)} - seen == ELSEWHERE


def test_the_stored_weights_of_every_layer_are_found(explained: list[Explanation]) -> None:
    unknown = {one.class_name for one in explained if one.raw and one.raw.value is None}
    assert not unknown
