"""Proofs of a trained network, with TensorFlow and ONNX Runtime at work."""

from pathlib import Path

import pytest

import qconvert
from qconvert.checking.grounds import Method
from qconvert.checking.results import Report, Verdict

DATA = Path(__file__).resolve().parents[1] / "data"

pytestmark = pytest.mark.usefixtures("shared_tensorflow")


@pytest.fixture(scope="module")
def report() -> Report:
    return qconvert.check(DATA / "pruned_cnn.h5", domains=["uint8/255"], samples=8)


def test_all_is_proven_up_to_the_float_end(report: Report) -> None:
    found = {
        layer.name: layer.finding.proof.method if layer.finding.proof else layer.finding.verdict
        for layer in report.layers
    }
    # Pixels that float32 rounds, and a normalization: other numbers, the same codes.
    assert found["prune_low_magnitude_fused_convbn_0"] is Method.CODES
    assert found["conv_act_0"] is Method.CODES
    # One is inside of the other.
    assert found["bn_dense_0"] is Method.ENUMERATED
    assert found["dense_act_0"] is Method.ENUMERATED
    assert list(found.values()).count(Method.ALGEBRAIC) == 6
    assert [name for name, how in found.items() if how is Verdict.BOUNDED] == [
        "output_dense",
        "output_softmax",
    ]


def test_bounds_hold_what_was_seen(report: Report) -> None:
    bounded = [x.finding for x in report.layers if x.finding.verdict is Verdict.BOUNDED]
    for finding in bounded:
        assert finding.bound is not None and finding.bound.largest is not None
        assert finding.worst is not None
        assert finding.worst.difference.largest <= finding.bound.largest
    assert any(x.worst is not None and x.worst.difference.largest for x in bounded)


def test_what_was_tried_is_told(report: Report) -> None:
    (tried,) = (x.finding.proof for x in report.layers if x.name == "dense_act_0")
    assert tried is not None
    assert 0 < tried.near < tried.states
    assert any("these builds" in text for text in tried.assumptions)
