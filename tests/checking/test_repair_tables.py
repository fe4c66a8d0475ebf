"""Thresholds of real functions in a file, put where the program in TensorFlow's place has them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from qconvert.checking import assemble
from qconvert.checking.repair.moves import THRESHOLD, read_moves
from qconvert.checking.repair.repair import Repaired, repaired
from qconvert.checking.scans.floats import floats_at, positions_of
from qconvert.checking.witness import Direct, Panel, Witness
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Input, Layer, Node, Output
from qconvert.ir.ops import Quantize
from qconvert.ir.quantizers import QuantizedTanh
from qconvert.numerics import quantize_body
from qconvert.runners.reference import ReferenceRunner

TANH = QuantizedTanh(4, use_real_tanh=True)
#: Of more codes than are compared one by one.
SEARCHED = QuantizedTanh(6, use_real_tanh=True)
Program = Callable[[F32], F32]


def graph(tanh: QuantizedTanh = TANH) -> Graph:
    """Two layers with one table."""
    shape = (None, 3)
    nodes = tuple(Node(name, Quantize(tanh), (name[-1],), shape) for name in ("qx", "qz"))
    inputs = tuple(Input(name, shape) for name in "xz")
    outputs = tuple(Output(node.name, node.name) for node in nodes)
    layers = tuple(Layer(node.name, "QActivation", node.name) for node in nodes)
    return Graph("g", inputs, nodes, outputs, layers)


class TheirQuantizers:
    """QKeras's, of which one layer's is another program."""

    def __init__(self, tanh: QuantizedTanh, other: Program | None = None) -> None:
        self.tanh, self.other = tanh, other

    def quantizer(self, layer: str) -> str:
        return layer

    def quantized(self, layer: str, x: F32, size: int | None = None) -> F32:
        if self.other is not None and layer == "qx":
            return self.other(x)
        return quantize_body(self.tanh, x)


def repair(
    model: onnx.ModelProto, other: Program | None = None, tanh: QuantizedTanh = TANH
) -> Repaired:
    def assembled(file: onnx.ModelProto) -> Panel:
        panel = assemble(graph(tanh), file, "another takes its place")
        runners = {Witness.TENSORFLOW: Direct(ReferenceRunner(graph(tanh)).run), **panel.runners}
        quantizers = TheirQuantizers(tanh, other)
        return replace(panel, runners=runners, quantizers=quantizers, unavailable={})

    probe = {name: np.zeros((2, 3), np.float32) for name in "xz"}
    return repaired(graph(tanh), model, assembled, probe)


def run(model: onnx.ModelProto, layer: str, x: F32, tanh: QuantizedTanh = TANH) -> F32:
    panel = assemble(graph(tanh), model, "nobody")
    numbers = np.resize(x, (-(-x.size // 3), 3))
    panel.runners[Witness.ORT].start({"x": numbers, "z": numbers})
    return panel.runners[Witness.ORT].finish().layers[layer].ravel()[: x.size]


def thresholds(model: onnx.ModelProto) -> F32:
    """All that stand in tables or alone."""
    arrays = [numpy_helper.to_array(t) for t in model.graph.initializer if "threshold" in t.name]
    return np.unique(np.concatenate([np.atleast_1d(array) for array in arrays]))


def moved(model: onnx.ModelProto) -> F32:
    """Move one threshold, and return where all are then."""
    tensor = [x for x in model.graph.initializer if "threshold" in x.name][-1]
    wrong = numpy_helper.to_array(tensor).copy()
    wrong.ravel()[:20] = np.nextafter(wrong.ravel()[:20], np.float32(9))
    tensor.CopyFrom(numpy_helper.from_array(wrong, tensor.name))
    return wrong.ravel()


def near(x: F32) -> F32:
    """All neighbours of some numbers."""
    return floats_at((positions_of(x)[:, np.newaxis] + np.arange(-40, 41)).ravel())


def test_a_right_table_stays() -> None:
    found = repair(to_onnx(graph()))
    assert found.model == to_onnx(graph()) and not found.moves and not found.unrepaired


@pytest.mark.parametrize("tanh", [TANH, SEARCHED], ids=str)
def test_a_wrong_threshold_is_put_right(tanh: QuantizedTanh) -> None:
    broken = to_onnx(graph(tanh))
    wrong = moved(broken)
    x = near(wrong[np.isfinite(wrong)])
    assert not np.array_equal(run(broken, "qx", x, tanh), quantize_body(tanh, x))
    found = repair(broken, tanh=tanh)
    assert not found.moves
    for layer in ("qx", "qz"):
        np.testing.assert_array_equal(run(found.model, layer, x, tanh), quantize_body(tanh, x))


@pytest.mark.parametrize("tanh", [TANH, SEARCHED], ids=str)
def test_a_table_follows_another_program_of_tensorflow_for_its_layer_alone(
    tanh: QuantizedTanh,
) -> None:
    def other(x: F32) -> F32:
        return quantize_body(tanh, floats_at(positions_of(x) - 5 * (x > 0)))

    model = to_onnx(graph(tanh))
    found = repair(model, other, tanh)
    assert not found.unrepaired and read_moves(found.model) == found.moves
    assert {(move.layer, move.constant) for move in found.moves} == {("qx", THRESHOLD)}
    assert {move.ulps for move in found.moves} <= set(range(-5, 6)) and len(found.moves) > 3
    x = thresholds(model)
    x = near(x[np.isfinite(x)])
    np.testing.assert_array_equal(run(found.model, "qx", x, tanh), other(x))
    np.testing.assert_array_equal(run(found.model, "qz", x, tanh), quantize_body(tanh, x))


def test_a_program_with_fewer_changes_leaves_comparisons_over() -> None:
    """Next to one tie, where TensorFlow's codes change to and fro, those of another do not."""
    places = thresholds(to_onnx(graph()))
    k = int(np.flatnonzero(np.diff(positions_of(places)) < 9)[0])
    first, last = (positions_of(places[[k]])[0], positions_of(places[[k + 3]])[0])

    def other(x: F32) -> F32:
        at = positions_of(x)
        return quantize_body(TANH, floats_at(np.where((at >= first) & (at < last), first, at)))

    found = repair(to_onnx(graph()), other)
    x = near(places)
    assert not np.array_equal(other(x), quantize_body(TANH, x))
    np.testing.assert_array_equal(run(found.model, "qx", x), other(x))


@pytest.mark.parametrize("tanh", [TANH, SEARCHED], ids=str)
def test_a_table_with_too_few_places_is_told(tanh: QuantizedTanh) -> None:
    def other(x: F32) -> F32:
        """Every other number of many has the next code."""
        at = positions_of(x)
        edge = positions_of(np.array([np.arctanh(2.0**-tanh.bits)], np.float32))[0]
        aside = (abs(at - edge) < 60) & (at % 2 == 0)
        return quantize_body(tanh, np.where(aside, np.float32(0.1), x))

    model = to_onnx(graph(tanh))
    (left,) = repair(model, other, tanh).unrepaired
    assert (left.layer, left.states > 31) == ("qx", True) and "too few places" in left.reason


def test_where_there_are_no_quantizers_nothing_is_done() -> None:
    def assembled(file: onnx.ModelProto) -> Panel:
        panel = assemble(graph(), file, "another takes its place")
        runners = {Witness.TENSORFLOW: Direct(ReferenceRunner(graph()).run), **panel.runners}
        return replace(panel, runners=runners, unavailable={})

    probe = {name: np.zeros((2, 3), np.float32) for name in "xz"}
    found = repaired(graph(), to_onnx(graph()), assembled, probe)
    assert found.model == to_onnx(graph())


def test_without_tensorflow_nothing_is_repaired() -> None:
    probe = {name: np.zeros((2, 3), np.float32) for name in "xz"}
    model = to_onnx(graph())
    found = repaired(graph(), model, lambda file: assemble(graph(), file, "it died"), probe)
    assert found.model is model and not (found.moves or found.unrepaired)
