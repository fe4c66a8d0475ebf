"""Whole graphs: the scales of one batch, layer behind layer."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import UnsupportedError
from qconvert.ir import Graph, Input, Layer, Node, Output, Quantizer, validate
from qconvert.ir.ops import Quantize, Scale
from qconvert.ir.quantizers import Binary, QuantizedBits
from qconvert.reference import evaluate, freeze

SHAPE = (None, 3)
AUTO = QuantizedBits(4, 0, True, alpha="auto")


def graph(first: Quantizer = AUTO, second: Quantizer = AUTO) -> Graph:
    """``x -> quantize -> (quantize -> times 3)``, the latter two in one layer."""
    return Graph(
        "chain",
        (Input("x", SHAPE),),
        (
            Node("a", Quantize(first), ("x",), SHAPE),
            Node("b:quantize", Quantize(second), ("a",), SHAPE),
            Node("b", Scale(3.0), ("b:quantize",), SHAPE),
        ),
        (Output("y", "b"),),
        (Layer("a", "QActivation", "a"), Layer("b", "QDense", "b", notes=("known",))),
    )


def batch() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)


def test_every_value_of_the_batch_stays() -> None:
    x = {"x": batch()}
    frozen = freeze(graph(), x)
    validate(frozen)
    before, after = evaluate(graph(), x), evaluate(frozen, x)
    for name, value in before.items():
        assert_array_equal(after[name], value, name)


def test_layers_say_so_behind_what_they_said() -> None:
    first, second = freeze(graph(), {"x": batch()}).layers
    assert first.frozen and second.frozen
    assert "16 samples" in first.notes[0]
    assert second.notes[0] == "known"
    assert "16 samples" in second.notes[1]


def test_other_layers_stay_as_they_are() -> None:
    plain = QuantizedBits(4, 0, alpha=1.0)
    first, second = freeze(graph(first=plain), {"x": batch()}).layers
    assert (first.frozen, first.notes, second.frozen) == (False, (), True)


def test_empty_channels_are_named() -> None:
    x = batch()
    x[:, 1] = 0
    assert "1 channels that are 0" in freeze(graph(), {"x": x}).layers[0].notes[0]


def test_all_that_cannot_be_frozen_is_named_at_once() -> None:
    wrong = Binary(alpha="auto", scale_axis=0)
    with pytest.raises(UnsupportedError) as raised:
        freeze(graph(wrong, replace(wrong, use_01=True)), {"x": batch()})
    assert [problem.layer for problem in raised.value.problems] == ["a", "b"]
