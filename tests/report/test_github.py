"""What GitHub shows beside a change: nothing of it is a command but ours."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qconvert.checking.compare import Difference
from qconvert.checking.results import LayerResult, Report, Verdict, WeightResult
from qconvert.cli.failing import failure_of
from qconvert.cli.github import tell_github, tell_github_of_failure
from qconvert.errors import BadFileError, Problem, UnsupportedError
from qconvert.report.escape import printable
from qconvert.report.github import annotations

COMMAND = re.compile(r"::(error|warning|notice) title=qconvert%3A ([^:,]*)::(.*)")
HOSTILE = (
    "a\n::error::b",
    "::error::c",
    "  ::add-mask::c",
    "%0A::error::d",
    "##[add-matcher]x.json",
    "##vso[task.setvariable variable=PATH]x",
    "##teamcity[buildProblem description='x']",
    "a::stop-commands::b,title=x",
    "\x1b[31mred",
    "\u202eevil",
    "\ud800",
    "[/bold]",
)


def kinds(report: Report) -> list[tuple[str, str]]:
    found = [COMMAND.fullmatch(line) for line in annotations(report)]
    return [(match[1], match[2]) for match in found if match]


def test_a_report_that_passes_is_one_notice(passing: Report) -> None:
    (line,) = annotations(passing)
    assert line.startswith("::notice title=qconvert%3A SAMPLED%2C passes::SAMPLED: 2 layers")


def test_every_difference_is_an_error_and_a_missing_witness_a_warning(failing: Report) -> None:
    found = kinds(failing)
    errors = [title for kind, title in found if kind == "error"]
    # The layer that is wrong by itself stands before the one that inherits it.
    assert errors[0] == "layer act differs"
    assert "evil" in errors[1]
    assert errors[2:] == [
        "weight act/kernel differs",
        "weight conv/kernel differs",
        "output y differs",
    ]
    assert ("warning", "TensorFlow did not run") in found
    assert found[-1] == ("notice", "DIFFERS%2C does not pass")


def test_what_is_ignored_is_no_error(ignoring: Report) -> None:
    assert [kind for kind, _ in kinds(ignoring)] == ["warning", "warning", "notice"]
    assert "which is not needed any more" in list(annotations(ignoring))[1]


def test_less_than_required_is_an_error(bounded: Report) -> None:
    assert ("error", "less is known than required") in kinds(bounded)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_in_their_annotation(passing: Report, name: str) -> None:
    finding = replace(passing.layers[0].finding, verdict=Verdict.DIFFERS, reason=name)
    layer = LayerResult(name, name, 4, None, finding)
    weight = WeightResult(name, name, Verdict.DIFFERS, Difference(4, 1, 1))
    hostile = replace(passing, layers=(layer,), weights=(weight,))
    lines = list(annotations(hostile))
    assert len(lines) == 3 == sum(len(line.splitlines()) for line in lines)
    for line in lines:
        assert COMMAND.fullmatch(line)
        assert line.encode() and "##[" not in line


@pytest.mark.parametrize("name", HOSTILE)
def test_printed_names_are_no_commands(name: str) -> None:
    """Runners obey lines that begin with two colons, and what stands behind ##NAME[ anywhere."""
    shown = printable(name)
    assert not shown.lstrip().startswith("::")
    assert not re.search(r"##\w*\[", shown)
    assert printable("a::b") == "a::b"


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    return page


def test_the_summary_is_appended(
    github: Path, passing: Report, failing: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    github.write_text("# Before\n")
    tell_github(passing)
    tell_github(failing)
    text = github.read_text(encoding="utf-8")
    assert text.startswith("# Before\n## ")
    heads = [line[:5] for line in text.splitlines() if "qconvert check" in line]
    assert heads == ["## 🟨 ", "## ❌ "]
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("::notice ") == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_a_model_that_could_not_be_checked_is_an_error_too(
    github: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = BadFileError("QC107", "gone.h5", "no such file")
    tell_github_of_failure(name, failure_of(error))
    (line,) = capsys.readouterr().err.splitlines()
    match = COMMAND.fullmatch(line)
    assert match and match[1] == "error" and "QC107: gone.h5: no such file" in match[3]
    head, *rest = github.read_text(encoding="utf-8").splitlines()
    assert head == "## ❌ qconvert check does not pass: ERROR"
    assert "no such file" in "".join(rest) and len(rest) == 5


def test_lines_of_an_error_are_those_of_its_annotation(
    github: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not those of a name in it."""
    error = UnsupportedError([Problem("QC301", "a\n::error::b%0A", "x"), Problem("QC301", "", "y")])
    tell_github_of_failure("m.h5", failure_of(error))
    (line,) = capsys.readouterr().err.splitlines()
    match = COMMAND.fullmatch(line)
    assert match and match[3].split("%0A") == [
        "QC301: the model has 2 unsupported part(s):",
        r"  a\u{a}::error::b%250A: x [QC301]",
        "  y [QC301]",
    ]
    assert "y \\[QC301\\]" in github.read_text(encoding="utf-8").splitlines()


def test_a_summary_that_cannot_be_written_is_told(
    github: Path, passing: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    github.mkdir()
    tell_github(passing)
    assert "::warning::GITHUB_STEP_SUMMARY cannot be written" in capsys.readouterr().err


def test_nothing_is_told_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
    github: Path,
    failing: Report,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    tell_github(failing)
    assert capsys.readouterr() == ("", "")
    assert not github.exists()
