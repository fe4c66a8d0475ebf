"""The folder that ``check --report`` writes, and what ``report`` makes of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qconvert.cli import run
from qconvert.report.formats import FORMATS

WriteModel = Callable[..., Path]
NOWHERE = ("--tf-python", "/nowhere/python")


def test_a_folder_has_every_format_and_renders_again(
    write_model: WriteModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, folder = write_model(), tmp_path / "report"
    command = ["check", str(model), "--samples", "8", "--report", str(folder), *NOWHERE]
    assert run(command) == 5
    told = capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == {form.file for form in FORMATS.values()}
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run([*command, "--force"]) == 5
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    capsys.readouterr()
    for name, form in FORMATS.items():
        assert run(["report", str(folder / "report.json"), "--format", name]) == 5
        assert capsys.readouterr().out.encode() == first[form.file]
    assert run(["report", str(folder / "report.json")]) == 5
    table = capsys.readouterr().out
    assert table and table in told


def test_a_report_is_written_to_a_file(
    write_model: WriteModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json, page = tmp_path / "r.json", tmp_path / "r.md"
    run(["check", str(write_model()), "--samples", "8", "--json", str(json), *NOWHERE])
    assert run(["report", str(json), "-o", str(page)]) == 2
    assert run(["report", str(json), "--format", "markdown", "-o", str(json), "--force"]) == 6
    assert run(["report", str(json), "--format", "markdown", "-o", str(page)]) == 5
    assert "NOT RUN" not in page.read_text() and "not run" in page.read_text()
    assert run(["report", str(json), "--format", "markdown", "-o", str(page)]) == 6
    capsys.readouterr()


def test_standard_output_is_no_file(
    write_model: WriteModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run(["check", str(write_model()), "--samples", "1", "--json", "r.json", *NOWHERE])
    capsys.readouterr()
    assert run(["report", "r.json", "--format", "sarif", "-o", "-"]) == 5
    assert '"version": "2.1.0"' in capsys.readouterr().out
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["weights", "MODEL"],
        ["explain", "MODEL", "--layer", "act", "--no-run", "--html", "PATH"],
        ["check", "MODEL", "--samples", "1", "--json", "PATH", *NOWHERE],
    ],
    ids=lambda command: command[0],
)
def test_paths_that_are_told_steer_no_terminal(
    write_model: WriteModel,
    tmp_path: Path,
    command: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    evil = "a\n::error::x\x1b[31m"
    given = {"MODEL": str(write_model(f"{evil}.h5")), "PATH": str(tmp_path / evil)}
    assert run([given.get(word, word) for word in command]) in (0, 5)
    shown = capsys.readouterr().out
    assert "a\\u{a}::error::x\\u{1b}[31m" in shown
    assert "\x1b" not in shown and "\n::" not in shown


def test_a_folder_with_content_is_refused_before_work_begins(
    write_model: WriteModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model()
    assert run(["check", str(model), "--report", str(tmp_path)]) == 6
    assert "is not empty" in capsys.readouterr().err


def test_what_is_no_report_is_an_error(
    write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(write_model())]) == 4
    assert "not a report of qconvert check: it is an HDF5 file, " in capsys.readouterr().err
