"""Which quantizers of a model are scanned, how, and how often."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pytest

from qconvert.checking import assemble
from qconvert.checking.scans import everything, thresholds
from qconvert.checking.scans.programs import Scan
from qconvert.checking.scans.scan import differences, scans
from qconvert.checking.scans.settled import Scans
from qconvert.checking.witness import Panel, Witness
from qconvert.emit import to_onnx
from qconvert.errors import WitnessError
from qconvert.exactness import Doubt, analyse
from qconvert.ir import F32, Graph, Input, Layer, Node, Output, Quantizer
from qconvert.ir.ops import Quantize
from qconvert.ir.quantizers import (
    QuantizedBits,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedSigmoid,
    QuantizedTanh,
)
from qconvert.numerics import quantize, quantize_body

TANH = QuantizedTanh(4, use_real_tanh=True)
HOW: Final[tuple[Literal["rnd", "floor"], ...]] = ("rnd", "floor")
MIXED = QuantizedRelu(4, qnoise_factor=0.5)


def graph(*quantizers: Quantizer) -> Graph:
    """One layer for each, all of one input."""
    shape = (None, 3)
    nodes = tuple(Node(f"q{i}", Quantize(q), ("x",), shape) for i, q in enumerate(quantizers))
    layers = tuple(Layer(node.name, "QActivation", node.name) for node in nodes)
    outputs = tuple(Output(node.name, node.name) for node in nodes)
    return Graph("g", (Input("x", shape),), nodes, outputs, layers)


class QKeras:
    """Its quantizers, as the reference has them."""

    def __init__(self, model: Graph, change: Callable[[F32], F32] = np.copy) -> None:
        self.known = {n.name: n.op.quantizer for n in model.nodes if isinstance(n.op, Quantize)}
        self.change = change
        self.asked = 0

    def quantizer(self, layer: str) -> str:
        return repr(self.known[layer])

    def quantized(self, layer: str, x: F32, size: int | None = None) -> F32:
        self.asked += 1
        run = quantize_body if size is None else quantize
        parts = np.split(x, range(size, len(x), size)) if size else [x]
        return np.concatenate([run(self.known[layer], self.change(part)) for part in parts])


class Dead(QKeras):
    def quantizer(self, layer: str) -> str:
        raise WitnessError("QC721", "the worker was killed", "and this is its log")


def panel(model: Graph, quantizers: QKeras) -> Panel:
    return replace(assemble(model, to_onnx(model), "nobody"), quantizers=quantizers)


def scanned(model: Graph, quantizers: QKeras, *, whole: bool = False) -> Scans:
    return scans(model, analyse(model), panel(model, quantizers), whole=whole)


def test_what_theorems_certify_is_not_scanned() -> None:
    model = graph(TANH, QuantizedBits(4, alpha=1.0), QuantizedRelu(4), QuantizedTanh(4))
    assert list(scanned(model, QKeras(model)).found) == ["q0"]


def test_operators_that_others_read_too_are_found() -> None:
    """The file has a magnitude and a sign once, before all that read them."""
    powers = [QuantizedPo2(4, most, log2_rounding=how) for most in (None, 1.0) for how in HOW]
    model = graph(*powers, *(replace(one, bits=3) for one in powers))
    found = scanned(model, QKeras(model)).found
    assert len(found) == 8 and all(isinstance(one, Scan) for one in found.values())


def test_equal_quantizers_are_scanned_once() -> None:
    one, two = graph(TANH), graph(TANH, TANH)
    seen = [QKeras(one), QKeras(two)]
    assert len(scanned(two, seen[1]).found) == 2
    scanned(one, seen[0])
    assert seen[0].asked == seen[1].asked > 0


def test_a_scan_comes_from_the_cache_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QCONVERT_CACHE", str(tmp_path))
    model = graph(TANH)
    first, second = QKeras(model), QKeras(model)
    assert scanned(model, first).found == scanned(model, second).found
    assert first.asked and not second.asked


def test_another_quantizer_of_qkeras_is_another_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference read the same of both, perhaps wrongly."""
    monkeypatch.setenv("QCONVERT_CACHE", str(tmp_path))
    model = graph(TANH)
    scanned(model, QKeras(model))
    other = QKeras(model)
    other.known = {"q0": replace(TANH, symmetric=True)}
    found = scanned(model, other).found["q0"]
    assert other.asked and isinstance(found, Scan) and found.different


def test_a_quantizer_that_cannot_be_run_stays_doubtful() -> None:
    model = graph(TANH)
    assert scanned(model, Dead(model)).found == {"q0": Doubt("the worker was killed")}


def test_what_thresholds_do_not_tell_needs_every_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(everything, "LAST", 1 << 12)
    model = graph(MIXED)
    some, all_of_them = (scanned(model, QKeras(model), whole=w).found["q0"] for w in (False, True))
    assert isinstance(some, Doubt) and "--scan tries every number" in some.reason
    assert isinstance(all_of_them, Scan) and all_of_them.whole and not all_of_them.different


def test_every_number_tells_nothing_of_the_ends_of_tensors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(everything, "LAST", 1 << 12)
    model = graph(QuantizedSigmoid(4, use_real_sigmoid=True))
    found = scanned(model, QKeras(model), whole=True).found["q0"]
    assert isinstance(found, Scan) and found.whole and found.ambiguous
    monkeypatch.setattr(thresholds, "_MOST_AT_THE_END", 99)
    found = scanned(model, QKeras(model), whole=True).found["q0"]
    assert isinstance(found, Scan) and "ends of TensorFlow's tensors" in found.unknown
    known = analyse(model, None, Scans({"q0": found}).settled)
    assert isinstance(known.certificates["q0"], Doubt)


def test_differences_are_evidence_where_they_can_come() -> None:
    model = graph(TANH)
    qkeras = QKeras(model, lambda x: x + np.float32(1e-3))
    found = scanned(model, qkeras)
    known = analyse(model, None, found.settled)
    assert isinstance(known.certificates["q0"], Doubt)
    pairs = differences(model, known, panel(model, qkeras), found).layers["q0"]
    assert pairs[Witness.TENSORFLOW, Witness.ORT].beyond > 0
    assert not pairs[Witness.NUMPY, Witness.ORT].differing


def test_what_does_not_differ_is_no_evidence() -> None:
    model = graph(TANH)
    qkeras = QKeras(model)
    found = scanned(model, qkeras)
    known = analyse(model, None, found.settled)
    assert not differences(model, known, panel(model, qkeras), found).layers


def test_without_tensorflow_nothing_is_scanned() -> None:
    model = graph(TANH)
    missing = assemble(model, to_onnx(model), "nobody")
    assert not scans(model, analyse(model), missing, whole=False).found
