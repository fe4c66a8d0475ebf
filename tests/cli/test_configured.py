"""All checks of a project in one command."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qconvert.cli import configuration, configured, run
from qconvert.cli.checked import checked

pytestmark = pytest.mark.usefixtures("forked_reader")

HERE = 'tf-python = "/nowhere/python"\nsamples = 4\n'


@pytest.fixture
def project(tmp_path: Path, write_model: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a configuration in the current folder, in which there is ``model.h5``."""
    write_model()
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        path = tmp_path / "qconvert.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_all_models_are_checked_and_one_that_is_missing_is_an_error(
    project: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = 'report = "out/deep/r"\nignore = {act = "issue 12"}\n'
    models = f'[[models]]\nmodel = "gone.h5"\n[[models]]\nmodel = "model.h5"\n{report}'
    project(HERE + models)
    assert run(["check"]) == 4
    out, err = capsys.readouterr()
    assert "qconvert: error QC107: " in err and "gone.h5" in err
    rows = [line.split() for line in out.splitlines()[-2:]]
    assert rows == [
        ["gone.h5", "ERROR", "SAMPLED", "4", "QC107"],
        ["model.h5", "UNCHECKED", "SAMPLED", "5", "1", "ignored"],
    ]
    found = json.loads((tmp_path / "out" / "deep" / "r" / "report.json").read_text())
    assert found["ignored"] == {"act": "issue 12"}
    assert found["samples"] == 4


def test_a_report_does_not_tell_where_the_project_is(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f'{HERE}[[models]]\nmodel = "model.h5"\ninputs = "x.npy"\nreport = "r"\n'
    project(text)
    np.save("x.npy", np.zeros((4, 3), np.float32))
    shutil.copytree(tmp_path, tmp_path / "elsewhere")
    bodies = []
    for folder in (tmp_path, tmp_path / "elsewhere"):
        monkeypatch.chdir(folder)
        assert run(["check"]) == 5
        bodies.append({path.name: path.read_bytes() for path in (folder / "r").iterdir()})
    assert bodies[0] == bodies[1]
    assert json.loads(bodies[0]["report.json"])["model"]["path"] == "model.h5"


def test_a_bug_with_one_model_hides_no_other(
    project: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = '[[models]]\nmodel = "model.h5"\n' * 2
    project(HERE + models)
    calls: list[Path] = []

    def broken_once(model: Path, *arguments: Any, **options: Any) -> Any:
        calls.append(model)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        return checked(model, *arguments, **options)

    monkeypatch.setattr(configured, "checked", broken_once)
    assert run(["check"]) == 70
    out, err = capsys.readouterr()
    assert "qconvert: error QC999: RuntimeError: a bug" in err
    rows = [line.split() for line in out.splitlines()[-2:]]
    assert rows == [
        ["model.h5", "ERROR", "SAMPLED", "70", "QC999"],
        ["model.h5", "UNCHECKED", "SAMPLED", "5"],
    ]


def test_no_report_is_lost_in_the_folder_of_another(
    project: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --force the last one would be all that is left."""
    models = '[[models]]\nmodel = "model.h5"\nreport = "r"\n[[models]]\nmodel = "model.h5"\n'
    project(f'{HERE}{models}report = "r/../r"\n')
    assert run(["check", "--force"]) == 2
    assert "two models write their report to" in capsys.readouterr().err


def test_a_folder_that_the_configuration_names_steers_no_terminal(
    project: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    project(f'{HERE}[[models]]\nmodel = "model.h5"\nreport = "r\\n::error::x\\u001b[31m"\n')
    assert run(["check"]) == 5
    out = capsys.readouterr().out
    assert "report  " in out and "\x1b" not in out and "\n::" not in out


def test_reports_of_an_earlier_run_are_replaced(project: Any, tmp_path: Path) -> None:
    """Of another version's too; what else is there stays."""
    project(f'{HERE}[[models]]\nmodel = "model.h5"\nreport = "r"\n')
    assert run(["check"]) == 5
    first = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    (tmp_path / "r" / "report.json").write_text('{"schema": "qconvert.report/0"}')
    (tmp_path / "r" / "report.html").write_text("old")
    (tmp_path / "r" / "notes.txt").write_text("mine")
    assert run(["check"]) == 5
    found = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    assert found == {**first, "notes.txt": b"mine"}


def report_of_another(folder: Path) -> None:
    (folder / "report.json").write_text('{"schema": "another/1"}')


def no_json(folder: Path) -> None:
    (folder / "report.json").write_text("[" * 9)


def no_page(folder: Path) -> None:
    (folder / "report.html").unlink()


@pytest.mark.parametrize("change", [report_of_another, no_json, no_page])
def test_what_is_no_report_is_replaced_only_if_asked(
    change: Any, project: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project(f'{HERE}[[models]]\nmodel = "model.h5"\nreport = "r"\n')
    assert run(["check"]) == 5
    change(tmp_path / "r")
    before = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    assert run(["check"]) == 6
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()} == before
    assert "QC606" in capsys.readouterr().err
    assert run(["check", "--force", "-q"]) == 5
    out, err = capsys.readouterr()
    assert out == ""
    assert "model.h5: UNCHECKED" in err


def test_one_model_with_two_files_has_two_names(
    project: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", "model.h5", "-q"]) == run(["export", "model.h5", "-qo", "b.onnx"]) == 0
    entry = '[[models]]\nmodel = "model.h5"\nonnx = '
    project(f'{HERE}{entry}"model.onnx"\nreport = "r"\n{entry}"b.onnx"\n')
    assert run(["check"]) == 5
    out = capsys.readouterr().out
    assert "== model.h5 model.onnx\n" in out and "== model.h5 b.onnx\n" in out
    # So that the report of another clone is the same.
    report = json.loads((tmp_path / "r" / "report.json").read_text(encoding="utf-8"))
    assert (report["model"]["path"], report["onnx"]["path"]) == ("model.h5", "model.onnx")
    capsys.readouterr()
    assert run(["report", "r"]) == 5
    assert "model.h5" in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_is_an_error(
    project: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    project(f'{HERE}[[models]]\nmodel = "model.h5"\nreport = "file/deep/r"\n')
    assert run(["check"]) == 6
    assert "QC601" in capsys.readouterr().err


@pytest.mark.parametrize("outcomes", [(0, 0), (0, 5), (5, 1), (1, 3), (3, 4), (4, 2)])
def test_the_exit_code_is_the_worst(
    project: Any, monkeypatch: pytest.MonkeyPatch, outcomes: tuple[int, int]
) -> None:
    """A difference is worse than a witness that is missing, and nothing checked is worse still."""
    left = iter(outcomes)

    def checked(*_: Any, **__: Any) -> Any:
        return configured._Outcome("m", "", "", next(left), "")

    monkeypatch.setattr(configured, "_checked", checked)
    project('[[models]]\nmodel = "a"\n[[models]]\nmodel = "b"\n')
    assert run(["check"]) == outcomes[1]


def test_nothing_is_checked_if_the_configuration_is_wrong(
    project: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    project('[[models]]\nmodel = "model.h5"\n[[models]]\nmodle = "model.h5"\n')
    assert run(["check"]) == 2
    out, err = capsys.readouterr()
    assert (out, err[:22]) == ("", "qconvert: error QC910:")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--samples", "4"], "--samples needs a MODEL"),
        (["--require", "proven", "--scan"], "--require, --scan needs a MODEL"),
        (["--json", "r.json"], "--json needs a MODEL"),
        (["model.h5", "--config", "qconvert.toml"], "without MODEL"),
    ],
)
def test_options_of_one_model_do_not_go_with_all(
    project: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    project(f'{HERE}[[models]]\nmodel = "model.h5"\n')
    assert run(["check", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_configuration_elsewhere_is_named(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    path = project(f'{HERE}[[models]]\nmodel = "model.h5"\n')
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert run(["check", "--config", str(path)]) == 5
    assert f"== {tmp_path / 'model.h5'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ignored", "words"),
    [
        ("acts=why", "there is no layer 'acts' to ignore (similar names: act)"),
        ("fc=why", "the layer 'fc' is an output, which cannot be ignored"),
        ("act", "say why the layer 'act' is ignored"),
        ("act= ", "say why the layer 'act' is ignored"),
    ],
)
def test_what_cannot_be_ignored_is_refused(
    write_model: Any, capsys: pytest.CaptureFixture[str], ignored: str, words: str
) -> None:
    assert run(["check", str(write_model()), "--ignore", ignored]) == 2
    err = capsys.readouterr().err
    assert err.startswith("qconvert: error QC015: ")
    assert words in err


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ('domains = ["uint8:256"]', "QC010: {}: models[1].domains: 'uint8:256' is no domain"),
        ('domains = ["y=int8"]', "QC011: {}: models[1].domains: 'y=int8' declares no input"),
        ('ignore = {acts = "why"}', "QC015: {}: models[1].ignore: there is no layer 'acts'"),
    ],
)
def test_a_value_that_does_not_fit_the_model_is_told_with_its_key(
    project: Any, capsys: pytest.CaptureFixture[str], key: str, told: str
) -> None:
    model = '[[models]]\nmodel = "model.h5"\n'
    path = project(f"{HERE}{model}{model}{key}\n")
    assert run(["check"]) == 2
    assert f"qconvert: error {told.format(path)}" in capsys.readouterr().err


def test_an_ignored_layer_is_shown(write_model: Any, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = ["--samples", "4", "--tf-python", "/nowhere/python"]
    assert run(["check", str(write_model()), "--ignore", "act=issue 12", *nowhere]) == 5
    out = capsys.readouterr().out
    assert "(UNCHECKED)" in out
    assert "layer act is ignored: issue 12" in out


def test_every_exit_code_has_its_place_among_the_worst() -> None:
    from qconvert import errors

    codes = {
        each.exit_code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.QConvertError)
    }
    assert codes | {0, 1, 5} == set(configured._WORST)


@pytest.fixture
def of_another_user(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Gives a file to another user, or this process to one, who then does not own it."""

    def give(path: Path) -> None:
        if os.getuid() == 0:
            os.chown(path, 65534, -1)
        else:
            monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)

    return give


def test_a_configuration_of_another_user_has_to_be_named(
    project: Any, of_another_user: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """It could name a program in the place of TensorFlow's interpreter."""
    path = project('tf-python = "./evil"\n[[models]]\nmodel = "gone.h5"\n')
    of_another_user(path)
    assert run(["check"]) == 2
    err = capsys.readouterr().err
    assert "qconvert: error QC912: " in err and f"--config {path}" in err and "gone.h5" not in err
    assert run(["check", "--config", str(path)]) == 4


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("kind", ["hard link", "link to another's", "link to one's own"])
def test_a_configuration_in_a_folder_of_another_user_has_to_be_named(
    kind: str, project: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both the folder where it is found and the one where it lies."""
    own = project('tf-python = "./evil"\n[[models]]\nmodel = "gone.h5"\n')
    folder = tmp_path / "another"
    folder.mkdir()
    os.chown(folder, 65534, -1)
    path = folder / "qconvert.toml"
    match kind:
        case "hard link":
            path.hardlink_to(own)
            os.chdir(folder)
        case "link to another's":
            own.rename(path)
            own.symlink_to(path)
        case _:
            path.symlink_to(own)
            os.chdir(folder)
    assert run(["check"]) == 2
    assert f"its folder {folder} belongs to another user" in capsys.readouterr().err
    assert run(["check", "--config", str(path)]) == 4


def test_a_check_that_fails_leaves_none_of_the_folders_of_its_report(
    project: Any, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    before = sorted(tmp_path.rglob("*"))
    path = project(f'{HERE}[[models]]\nmodel = "gone.h5"\nreport = "out/deep/er/r"\n')
    assert run(["check"]) == 4
    assert sorted({*tmp_path.rglob("*")} - {path}) == before


def test_a_configuration_of_root_and_a_system_without_users_are_trusted(
    project: Any, of_another_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project('[[models]]\nmodel = "gone.h5"\n')
    with monkeypatch.context() as patched:
        patched.setattr(configuration, "_ROOT", path.stat().st_uid)
        patched.setattr(os, "getuid", lambda: path.stat().st_uid + 1)
        assert run(["check"]) == 4
    of_another_user(path)
    monkeypatch.delattr(os, "getuid")
    assert run(["check"]) == 4
