"""Samples of sizes that a model leaves open, and that its layers cannot take."""

from collections.abc import Callable

import numpy as np
import pytest

from qconvert.checking import from_user, seeded, seeded_sample, user_sample
from qconvert.errors import UsageError
from qconvert.ir import Graph, Input, Node, Output
from qconvert.ir.ops import Concat, Merge, Op, Opaque, Pool, Slice
from qconvert.ir.types import Shape

OPEN: Shape = (None, None, 3)


def graph_of(*nodes: tuple[str, Op, tuple[str, ...], Shape]) -> Graph:
    made = tuple(Node(*node) for node in nodes)
    return Graph("open", (Input("x", OPEN),), made, (Output("y", made[-1].name),), ())


#: Without its first two steps, which leaves nothing that fits but one step.
CROPPED = ("cropped", Slice((2, 0), (None, None), (1, 1)), ("x",), OPEN)
UNEQUAL = graph_of(CROPPED, ("sum", Merge("add"), ("x", "cropped"), OPEN))


def samples(steps: int) -> np.ndarray:
    return np.zeros((2, steps, 3), np.float32)


@pytest.mark.parametrize(
    ("choose", "steps"),
    [
        (lambda: seeded(UNEQUAL), 32),
        (lambda: seeded_sample(UNEQUAL, 1), 32),
        (lambda: from_user(UNEQUAL, samples(9)), 9),
        (lambda: user_sample(UNEQUAL, samples(9), 1), 9),
    ],
)
def test_branches_of_different_sizes_are_told_before_anything_runs(
    choose: Callable[[], object], steps: int
) -> None:
    with pytest.raises(UsageError) as found:
        choose()
    assert found.value.code == "QC716"
    assert str(found.value).startswith(
        f"of samples of {steps}x3 for 'x' the layer sum reads {steps}x3 and {steps - 2}x3, and "
    )


def test_sizes_that_fit_are_taken() -> None:
    """One step and three of them broadcast; a window has to lie in its input."""
    assert from_user(UNEQUAL, samples(3)).count == 2
    pooled = graph_of(("pool", Pool("max", (4,), (1,), ((0, 0),)), ("x",), OPEN))
    assert from_user(pooled, samples(4)).count == 2
    with pytest.raises(UsageError, match="layer pool reads 3x3, and window 4 exceeds"):
        from_user(pooled, samples(3))


def test_what_reads_a_size_that_is_not_known_is_not_judged() -> None:
    """Only its converter knows what an opaque layer makes of the sizes of samples."""
    opaque = Opaque("Other", "tf2onnx", b"", (OPEN,), OPEN)
    joined = ("joined", Concat(2), ("x", "other"), (None, None, 6))
    assert from_user(graph_of(("other", opaque, ("x",), OPEN), joined), samples(5)).count == 2
