import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import qconvert
from qconvert.differing.reports import report_changes
from qconvert.differing.results import Kind
from qconvert.errors import BadFileError

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
        "witnesses": [{"name": "TensorFlow", "versions": {"tensorflow": "2.21.0"}}],
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


@pytest.mark.parametrize("damage", [{"layers": 3}, {"layers": [{}]}, {"model": "m.h5"}])
def test_a_damaged_report_is_a_bad_file(report: Report, tmp_path: Path, damage: Report) -> None:
    path, other = tmp_path / "a.json", tmp_path / "b.json"
    path.write_text(json.dumps(report))
    other.write_text(json.dumps(report | damage))
    with pytest.raises(BadFileError, match="damaged"):
        qconvert.diff(path, other)
