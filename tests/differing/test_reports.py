import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import qconvert
from qconvert.differing.reports import report_changes
from qconvert.differing.results import Kind
from qconvert.errors import BadFileError

Report = dict[str, Any]

#: What two reports of one check differ in.
NOT_COUNTED = {
    "schema", "path", "seconds", "reproducer",
    # Drawn, of numbers whose hash, or the hash of whose file, is compared.
    "results", "errors", "raw", "effective", "first", "example", "histogram", "sources",
    # These follow from others.
    "first_difference", "elements", "largest_ulp", "largest_steps", "witnesses", "ambiguous",
}  # fmt: skip


def test_neither_paths_nor_times_count(report: Report) -> None:
    other = copy.deepcopy(report)
    other["model"]["path"], other["seconds"] = "elsewhere.h5", {}
    assert list(report_changes(report, other)) == []


def worse_layer(report: Report) -> None:
    report["layers"][1].update(verdict="DIFFERS")


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


def leaves(part: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where numbers and texts stand that two reports are compared by."""
    items = part.items() if isinstance(part, dict) else enumerate(part)
    for key, value in items:
        here = (*place, key)
        if key in NOT_COUNTED and (place or key != "witnesses"):
            continue
        if isinstance(value, dict | list):
            yield from leaves(value, here)
        else:
            yield here


def test_nothing_that_a_check_found_can_change_unseen(report: Report) -> None:
    """Also in what is added to reports: it is told, or named above."""
    places = list(leaves(report))
    assert len(places) > 60
    for *way, last in places:
        other = copy.deepcopy(report)
        part: Any = other
        for key in way:
            part = part[key]
        part[last] = "DIFFERS" if last == "verdict" else f"another {part[last]}"
        assert list(report_changes(report, other)), (*way, last)


def test_reports_are_read_from_files(report: Report, tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps(report))
    other_reason(report)
    second.write_text(json.dumps(report))
    assert qconvert.diff(first, first).equal
    assert qconvert.diff(first, second).changes[0].layer == "fc1"


def test_a_folder_of_a_report_is_one(report: Report, tmp_path: Path) -> None:
    """As check --report writes it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (tmp_path / "first.json", folder / "report.json"):
        path.write_text(json.dumps(report), encoding="utf-8")
    assert qconvert.diff(tmp_path / "first.json", folder).equal


@pytest.mark.parametrize(
    "damage",
    [
        {"layers": 3}, {"layers": [{}]}, {"model": "m.h5"}, {"verdict": "DIFFERS"},
        {"schema": "qconvert.report/0"},
    ],
)  # fmt: skip
def test_a_damaged_report_is_a_bad_file(report: Report, tmp_path: Path, damage: Report) -> None:
    path, other = tmp_path / "a.json", tmp_path / "b.json"
    path.write_text(json.dumps(report))
    other.write_text(json.dumps(report | damage))
    with pytest.raises(BadFileError, match=r"b\.json: is not a (whole )?report") as raised:
        qconvert.diff(path, other)
    assert raised.value.code == "QC140"
