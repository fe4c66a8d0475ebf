"""Thresholds of real functions in a file, put where the program in TensorFlow's place has them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
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
Program = Callable[[F32], F32]


def graph() -> Graph:
    """Two layers with one table."""
    shape = (None, 3)
    nodes = tuple(Node(name, Quantize(TANH), (name[-1],), shape) for name in ("qx", "qz"))
    inputs = tuple(Input(name, shape) for name in "xz")
    outputs = tuple(Output(node.name, node.name) for node in nodes)
    layers = tuple(Layer(node.name, "QActivation", node.name) for node in nodes)
    return Graph("g", inputs, nodes, outputs, layers)


class TheirQuantizers:
    """QKeras's, of which one layer's is another program."""

    def __init__(self, other: Program | None = None) -> None:
        self.other = other

    def quantizer(self, layer: str) -> str:
        return layer

    def quantized(self, layer: str, x: F32, size: int | None = None) -> F32:
        if self.other is not None and layer == "qx":
            return self.other(x)
        return quantize_body(TANH, x)


def repair(model: onnx.ModelProto, other: Program | None = None) -> Repaired:
    def assembled(file: onnx.ModelProto) -> Panel:
        panel = assemble(graph(), file, "another takes its place")
        runners = {Witness.TENSORFLOW: Direct(ReferenceRunner(graph()).run), **panel.runners}
        quantizers = TheirQuantizers(other)
        return replace(panel, runners=runners, quantizers=quantizers, unavailable={})

    probe = {name: np.zeros((2, 3), np.float32) for name in "xz"}
    return repaired(graph(), model, assembled, probe)


def run(model: onnx.ModelProto, layer: str, x: F32) -> F32:
    panel = assemble(graph(), model, "nobody")
    numbers = np.resize(x, (-(-x.size // 3), 3))
    panel.runners[Witness.ORT].start({"x": numbers, "z": numbers})
    return panel.runners[Witness.ORT].finish().layers[layer].ravel()[: x.size]


def thresholds(model: onnx.ModelProto) -> F32:
    return numpy_helper.to_array(next(t for t in model.graph.initializer if "thresh" in t.name))


def near(x: F32) -> F32:
    """All neighbours of some numbers."""
    return floats_at((positions_of(x)[:, np.newaxis] + np.arange(-40, 41)).ravel())


def test_a_right_table_stays() -> None:
    found = repair(to_onnx(graph()))
    assert found.model == to_onnx(graph()) and not found.moves and not found.unrepaired


def test_a_wrong_threshold_is_put_right() -> None:
    broken = to_onnx(graph())
    (tensor,) = (x for x in broken.graph.initializer if "thresh" in x.name)
    wrong = numpy_helper.to_array(tensor).copy()
    wrong[20] = np.nextafter(wrong[20], np.float32(9))
    tensor.CopyFrom(numpy_helper.from_array(wrong, tensor.name))
    found = repair(broken)
    assert not found.moves
    for layer in ("qx", "qz"):
        x = near(wrong[np.isfinite(wrong)])
        np.testing.assert_array_equal(run(found.model, layer, x), quantize_body(TANH, x))


def test_a_table_follows_another_program_of_tensorflow_for_its_layer_alone() -> None:
    def other(x: F32) -> F32:
        return quantize_body(TANH, floats_at(positions_of(x) - 5 * (x > 0)))

    model = to_onnx(graph())
    found = repair(model, other)
    assert not found.unrepaired and read_moves(found.model) == found.moves
    assert {(move.layer, move.constant) for move in found.moves} == {("qx", THRESHOLD)}
    assert {move.ulps for move in found.moves} <= set(range(-5, 6)) and len(found.moves) > 3
    x = near(thresholds(model)[:27])
    np.testing.assert_array_equal(run(found.model, "qx", x), other(x))
    np.testing.assert_array_equal(run(found.model, "qz", x), quantize_body(TANH, x))


def test_a_table_with_too_few_places_is_told() -> None:
    def other(x: F32) -> F32:
        """Every other number of a few has the next code."""
        at = positions_of(x)
        edge = positions_of(np.array([0.0625815], np.float32))[0]
        aside = (abs(at - edge) < 8) & (at % 2 == 0)
        return quantize_body(TANH, np.where(aside, np.float32(0.1), x))

    model = to_onnx(graph())
    (left,) = repair(model, other).unrepaired
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
