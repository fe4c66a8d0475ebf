import json
from typing import Any

import pytest

from qconvert.checking import results as checked
from qconvert.checking.compare import Difference
from qconvert.checking.grounds import Bound, Method, Proof
from qconvert.checking.results import (
    ByValue,
    CheckedFile,
    Comparison,
    Environment,
    Finding,
    LayerResult,
    OutputResult,
    Verdict,
    WeightResult,
    WitnessResult,
)
from qconvert.checking.witness import Witness
from qconvert.report import to_json

TF, ORT = Witness.TENSORFLOW, Witness.ORT


def finding(verdict: Verdict) -> Finding:
    proof = Proof(Method.ALGEBRAIC, ("sums fit",), 12, states=4, near=1, numbers=9)
    compared = Comparison((TF, ORT), Difference(64), None)
    known = Bound(0.5, 1.0, 4, 1)
    return Finding(verdict, "", (compared,), (), proof, "a doubt", known, ("needs VNNI",))


@pytest.fixture
def report() -> dict[str, Any]:
    """The document of a check as `check` writes it."""
    proven = finding(Verdict.PROVEN)
    found = checked.Report(
        model=CheckedFile("m.h5", "0" * 64),
        onnx=CheckedFile("m.onnx", "1" * 64),
        inputs="64 samples of x.npy",
        samples=64,
        layers=(
            LayerResult("fc1", "QDense", 4, None, proven, "tf2onnx", ("note",), ("Gemm",)),
            LayerResult("fc2", "QDense", 4, 8, proven),
        ),
        weights=(WeightResult("fc1", "kernel", Verdict.PROVEN, Difference(8), Difference(8)),),
        outputs=(OutputResult("y", proven),),
        ambiguous=(),
        witnesses=(
            WitnessResult(TF, (("tensorflow", "2.21.0"),), None),
            WitnessResult(ORT, (("onnxruntime", "1.23.0"),), None),
        ),
        environment=Environment("0.1.0", "3.11", "Linux"),
        seconds=(("comparing", 1.0),),
        by_value=ByValue((("x", "in"),), (("y", "out"),), (("fc1", "t"),)),
        inputs_sha256="3" * 64,
        ignored=(("fc1", "a known one"),),
    )
    document: dict[str, Any] = json.loads(to_json(found))
    return document
