import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import qconvert
from qconvert.checking.results import (
    CheckedFile,
    Environment,
    Finding,
    LayerResult,
    Verdict,
    WitnessResult,
)
from qconvert.checking.results import Report as CheckReport
from qconvert.checking.witness import Witness
from qconvert.differing.reports import report_changes
from qconvert.differing.results import Kind
from qconvert.errors import BadFileError
from qconvert.report import to_json

Report = dict[str, Any]


def finding(verdict: str) -> Report:
    proof = {"method": "algebraic", "bits": 12, "assumptions": []}
    return {"verdict": verdict, "reason": "", "proof": proof if verdict == "PROVEN" else None}


def layer(name: str, verdict: str) -> Report:
    return {"name": name, "class_name": "QDense", "weight_bits": 4, **finding(verdict)}


@pytest.fixture
def report() -> Report:
    return {
        "schema": "qconvert.report/1",
        "verdict": "PROVEN",
        "passed": True,
        "model": {"path": "m.h5", "sha256": "0" * 64},
        "onnx": {"path": "m.onnx", "sha256": "1" * 64},
        "samples": 64,
        "seconds": {"comparing": 1.0},
        "witnesses": [{"witness": "TensorFlow", "versions": {"tensorflow": "2.21.0"}}],
        "layers": [layer("fc1", "PROVEN"), layer("fc2", "PROVEN")],
        "weights": [{"layer": "fc1", "role": "kernel", "verdict": "PROVEN"}],
        "outputs": [{"name": "y", **finding("PROVEN")}],
    }


def test_neither_paths_nor_times_count(report: Report) -> None:
    other = copy.deepcopy(report)
    other["model"]["path"], other["seconds"] = "elsewhere.h5", {}
    assert list(report_changes(report, other)) == []


def worse_layer(report: Report) -> None:
    report["layers"][1].update(finding("DIFFERS"))


def worse_weight(report: Report) -> None:
    report["weights"][0]["verdict"] = "UNCHECKED"


def worse_output(report: Report) -> None:
    report["outputs"][0]["verdict"] = "BOUNDED"


def other_reason(report: Report) -> None:
    report["layers"][0]["reason"] = "1 of 64 differ"


def other_method(report: Report) -> None:
    report["layers"][0]["proof"]["method"] = "enumerated"


def other_file(report: Report) -> None:
    report["onnx"]["sha256"] = "2" * 64


def other_version(report: Report) -> None:
    report["witnesses"][0]["versions"]["tensorflow"] = "2.22.0"


def fewer_samples(report: Report) -> None:
    report["samples"] = 8


def without_a_layer(report: Report) -> None:
    del report["layers"][1]


def other_name(report: Report) -> None:
    report["layers"][1]["name"] = "fc2_1"


def without_an_output(report: Report) -> None:
    report["outputs"] = []


@pytest.mark.parametrize(
    ("edit", "name", "kind", "what"),
    [
        (worse_layer, "fc2", Kind.WORSE, "verdict"),
        (worse_weight, "fc1", Kind.WORSE, "kernel verdict"),
        (worse_output, "", Kind.WORSE, "output y verdict"),
        (other_reason, "fc1", Kind.CHANGED, "reason"),
        (other_method, "fc1", Kind.CHANGED, "proof method"),
        (other_file, "", Kind.CHANGED, "onnx sha256"),
        (other_version, "", Kind.CHANGED, "TensorFlow versions"),
        (fewer_samples, "", Kind.CHANGED, "samples"),
        (without_a_layer, "fc2", Kind.REMOVED, ""),
        (other_name, "fc2", Kind.RENAMED, ""),
        (without_an_output, "", Kind.REMOVED, "output y"),
    ],
)
def test_each_change_is_told_where_it_is(
    report: Report, edit: Callable[[Report], None], name: str, kind: Kind, what: str
) -> None:
    other = copy.deepcopy(report)
    edit(other)
    first = next(iter(report_changes(report, other)))
    assert (first.layer, first.kind, first.what) == (name, kind, what)
    back = next(iter(report_changes(other, report)))
    opposite = {Kind.WORSE: Kind.BETTER, Kind.REMOVED: Kind.ADDED}
    assert back.kind is opposite.get(kind, kind)


def test_reports_are_read_from_files(report: Report, tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps(report))
    worse_layer(report)
    second.write_text(json.dumps(report))
    assert qconvert.diff(first, first).equal
    assert qconvert.diff(first, second).changes[0].layer == "fc2"


def test_a_report_is_compared_as_check_writes_it() -> None:
    witness = WitnessResult(Witness.TENSORFLOW, (("tensorflow", "2.21.0"),), None)
    environment = Environment("0.1.0", "3.11.7", "Linux x86_64")
    written = [
        json.loads(
            to_json(
                CheckReport(
                    model=CheckedFile("m.h5", "0" * 64),
                    onnx=CheckedFile("m.onnx", "1" * 64),
                    inputs="4 samples",
                    samples=4,
                    layers=(LayerResult("fc", "QDense", 4, None, Finding(verdict, why, ())),),
                    weights=(),
                    outputs=(),
                    ambiguous=(),
                    witnesses=(witness,),
                    environment=environment,
                )
            )
        )
        for verdict, why in ((Verdict.SAMPLED, ""), (Verdict.DIFFERS, "NumPy differs"))
    ]
    assert list(report_changes(written[0], written[0])) == []
    told = [(x.layer, x.what, x.before, x.after) for x in report_changes(*written)]
    assert told[0][:2] == ("", "verdict")
    assert told[-1] == ("fc", "reason", "none", "NumPy differs")


@pytest.mark.parametrize("damage", [{"layers": 3}, {"layers": [{}]}, {"model": "m.h5"}])
def test_a_damaged_report_is_a_bad_file(report: Report, tmp_path: Path, damage: Report) -> None:
    path, other = tmp_path / "a.json", tmp_path / "b.json"
    path.write_text(json.dumps(report))
    other.write_text(json.dumps(report | damage))
    with pytest.raises(BadFileError, match="damaged"):
        qconvert.diff(path, other)
