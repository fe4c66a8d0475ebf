"""What people see: a bar while a check runs, colours at a terminal, neither of them in a pipe."""

import io
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import jsonschema
import onnx
import pytest
from rich.console import Console

from qconvert.checking.audit import Evidence, Observation
from qconvert.checking.compare import Difference
from qconvert.checking.forcing import Trial
from qconvert.checking.gathering import FirstSeen
from qconvert.checking.witness import Witness
from qconvert.cli import run
from qconvert.cli.showing import Bar, bar_on, console, watched
from qconvert.emit.metadata import read_metadata
from qconvert.report.escape import printable
from qconvert.staged import Staged

pytestmark = pytest.mark.usefixtures("forked_reader")

SCHEMAS = Path(__file__).parents[2] / "schemas"
DATA = Path(__file__).parents[1] / "data"
NOWHERE = ["--tf-python", "/nowhere/python"]


def drawn(*told: Any) -> str:
    """All that a terminal gets while *told* is told to a bar."""
    stream = io.StringIO()
    with bar_on(Console(file=stream, force_terminal=True, width=200, markup=False)) as progress:
        bar = Bar(progress)
        for name, *arguments in told:
            getattr(bar, name)(*arguments)
            progress.refresh()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


def test_the_bar_tells_what_is_done_how_far_and_what_is_known() -> None:
    text = drawn(("stage", "starting TensorFlow"), ("progress", 3, 64), ("differing", "conv1"))
    assert "starting TensorFlow" in text
    assert "samples 3 of 64" in text
    assert "nothing differs so far" in text
    assert "DIFFERS: conv1" in text
    assert re.search("0:00:0[0-9]", text)


def test_a_witness_that_failed_is_part_of_what_is_known() -> None:
    text = drawn(("failed", "TensorFlow", "killed"), ("stage", "samples"))
    assert "TensorFlow failed" in text
    assert "nothing differs so far; without TensorFlow" in text


def test_many_layers_that_differ_are_counted() -> None:
    text = drawn(*(("differing", f"conv{i}") for i in range(7)))
    assert "DIFFERS: conv0, conv1, conv2 and 4 more" in text


def test_a_part_of_unknown_length_may_follow_one_that_is_done() -> None:
    text = drawn(("progress", 64, 64), ("stage", "tables"), ("scanning", "act", 1, 2))
    assert text.index("tables") < text.index("all numbers of act")


@pytest.mark.parametrize(
    "name", ["[/bold]", "\x1b]0;title\x07", "{x}", "a\nb", "x" * 500, "\ud800", "\u202eevil"]
)
def test_names_of_layers_are_no_markup(name: str) -> None:
    """Rich raised an error for a tag that nobody opened."""
    text = drawn(("scanning", name, 1, 2), ("differing", name), ("failed", "TensorFlow", name))
    assert f"all numbers of {printable(name)[:29]}" in text
    assert not set("\x1b\x07\u202e") & set(text)


def test_a_log_has_failures_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with watched() as watcher:
        assert not isinstance(watcher, Bar)
        watcher.stage("tables")
        watcher.progress(1, 2)
        watcher.scanning("act", 1, 2)
        watcher.differing("act")
        assert capsys.readouterr() == ("", "")
        watcher.failed("TensorFlow", "killed")
    assert capsys.readouterr() == ("", "qconvert: TensorFlow failed\n  killed\n")


@pytest.mark.parametrize(
    ("variables", "terminal", "coloured"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
    ],
)
def test_colours_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], terminal: bool, coloured: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    console(stream).print("text", style="red")
    assert ("\x1b[31m" in stream.getvalue()) is coloured


def test_export_tells_what_it_wrote_and_what_next(
    write_model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model()
    assert run(["export", str(model)]) == 0
    first, second, *_, last = capsys.readouterr().out.splitlines()
    file = model.with_suffix(".onnx")
    assert first == f"{file}: 2 layers, {file.stat().st_size:,} bytes"
    assert (
        second == "dialect qdq, opset 21; 1 of 1 linear operator with input and weights as integers"
    )
    assert last == f"next: qconvert check {model} {file}"


def test_the_next_command_can_be_pasted(
    write_model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my models").mkdir()
    model = write_model("my models/a model.h5")
    assert run(["export", str(model)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"next: qconvert check '{model}' '{model.with_suffix('.onnx')}'"


def test_the_next_command_reads_the_model_in_the_same_way(
    write_model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved, file = tmp_path / "my weights.hdf5", tmp_path / "x.onnx"
    shutil.copy(DATA / "encoder_weights.hdf5", moved)
    model = DATA / "encoder.json"
    options = ["--weights", str(moved), "--limit", "layers=100", "--opaque", "tf2onnx", "--strict"]
    assert run(["export", str(model), "-o", str(file), *options]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(last)[1:] == ["qconvert", "check", str(model), str(file), *options]


def test_of_standard_input_there_is_no_next_command(
    write_model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which the next command has of its own."""
    model = write_model()
    link = tmp_path / "given.h5"
    descriptor = os.open(model, os.O_RDONLY)
    link.symlink_to(f"/dev/fd/{descriptor}")
    assert run(["export", str(link)]) == 0
    os.close(descriptor)
    assert "next:" not in capsys.readouterr().out


def test_what_was_written_is_told_as_json_alone(
    write_model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, told = write_model(), tmp_path / "written.json"
    assert run(["export", str(model), "--json", "-"]) == 0
    text = capsys.readouterr().out
    schema = json.loads((SCHEMAS / "written.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    assert run(["export", str(model), "--json", str(told), "--force"]) == 0
    assert told.read_text(encoding="utf-8") == text
    found = json.loads(text)
    assert found["bytes"] == model.with_suffix(".onnx").stat().st_size
    assert (found["layers"], found["linear"], found["of_codes"]) == (2, 1, 1)
    # What the terminal says behind "needs".
    said = read_metadata(onnx.load(model.with_suffix(".onnx")))
    assert said is not None and found["requires"]["openvino"] == [*said.requires.openvino] != []


def test_the_float_dialect_has_no_products_of_quantized_numbers(
    write_model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", str(write_model()), "--dialect", "float", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["dialect"], found["linear"], found["of_codes"]) == ("float", 1, 0)


def test_a_report_on_standard_output_is_alone_there(
    write_model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", str(write_model()), "--samples", "4", "--json", "-", *NOWHERE]) == 5
    out, err = capsys.readouterr()
    assert json.loads(out)["verdict"] == "UNCHECKED"
    assert "TensorFlow failed" in err


def test_quiet_commands_print_errors_alone(
    write_model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, report = write_model(), tmp_path / "r.json"
    assert run(["export", str(model), "-q"]) == 0
    assert run(["weights", str(model), "--quiet"]) == 0
    assert run(["inspect", str(model), "-q"]) == 0
    assert run(["diff", str(model), str(model.with_suffix(".onnx")), "-q"]) == 0
    page = tmp_path / "page.html"
    explain = ["explain", str(model), "--layer", "act", "--no-run", "--html", str(page)]
    assert run([*explain, "-q"]) == 0
    assert page.is_file()
    assert run(["doctor", "-q"]) in (0, 5)
    assert capsys.readouterr() == ("", "")
    assert run(["inspect", str(model), "-q", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["layers"]
    assert run(["check", str(model), "--json", str(report), "-q", *NOWHERE]) == 5
    out, err = capsys.readouterr()
    assert out == ""
    assert f"qconvert: {model}: UNCHECKED" in err
    assert run(["report", str(report), "-q"]) == 5
    assert capsys.readouterr() == ("", "")
    assert run(["report", str(report), "-q", "--format", "json"]) == 5
    assert json.loads(capsys.readouterr().out)["verdict"] == "UNCHECKED"
    assert run(["export", str(model), "-q"]) == 6
    assert "QC604" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "export"])
def test_a_job_of_github_gets_annotations_and_a_summary(
    command: str,
    write_model: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    options = ["--samples", "4"] if command == "check" else ["--check"]
    assert run([command, str(write_model()), *options, "--json", "-", *NOWHERE]) == 5
    out, err = capsys.readouterr()
    assert json.loads(out)["passed"] is False
    assert "::warning title=qconvert%3A TensorFlow did not run::QC720: the worker" in err
    assert "::notice title=qconvert%3A UNCHECKED" in err
    assert "does not pass: UNCHECKED" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [("check",), ("export", "--check")], ids=" ".join)
def test_github_is_told_of_a_model_that_cannot_be_read(
    command: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, page = tmp_path / "model.h5", tmp_path / "summary.md"
    model.write_bytes(b"nothing")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    name, *options = command
    assert run([name, str(model), *options]) == 4
    annotation, error = capsys.readouterr().err.splitlines()
    title = f"::error title=qconvert%3A {model} could not be checked::QC103: "
    assert annotation.startswith(title)
    assert error.startswith("qconvert: error QC103: ")
    assert "QC103" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["check", "export", "configured"])
def test_github_is_told_once_where_the_files_cannot_be_written(
    command: str,
    write_model: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A verdict and then an error would be two; the error is why the job fails."""
    monkeypatch.chdir(tmp_path)
    write_model()
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    Path("qconvert.toml").write_text(
        '[[models]]\nmodel = "model.h5"\nreport = "report"\nsamples = 4\n'
        'tf-python = "/nowhere/python"\n'
    )
    words = {
        "check": ["check", "model.h5", "--samples", "4", "--json", "r.json", *NOWHERE],
        "export": ["export", "model.h5", "--check", "--json", "r.json", *NOWHERE],
        "configured": ["check"],
    }

    def put(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Staged, "put", put)
    assert run(words[command]) == 6
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("::")]
    assert len(told) == 1 and "could not be checked::QC602" in told[0]
    assert page.read_text(encoding="utf-8").count("## ") == 1


@pytest.mark.parametrize("words", [("export",), ("inspect",), ("check", "--no-such-option")])
def test_github_is_told_of_checks_alone(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    name, *options = words
    assert run([name, str(tmp_path / "model.h5"), *options]) in (2, 4)
    assert "::error" not in capsys.readouterr().err


def test_layers_that_differ_are_told_while_the_check_runs(write_model: Any) -> None:
    from qconvert import api

    model = write_model()
    file = api.export(model).model
    (kernel,) = (x for x in file.graph.initializer if len(x.dims) == 2)
    codes = onnx.numpy_helper.to_array(kernel).copy()
    codes.flat[1] += 1
    kernel.CopyFrom(onnx.numpy_helper.from_array(codes, kernel.name))
    layers: list[str] = []
    stages: list[str] = []
    api.check(
        model,
        file,
        samples=70,
        tf_python="/nowhere/python",
        differing=layers.append,
        stage=stages.append,
    )
    assert layers == ["fc"]
    assert {"starting TensorFlow", "samples", "proofs"} <= set(stages)


def test_a_layer_is_told_once_and_not_for_rounding() -> None:
    layers: list[str] = []
    seen = FirstSeen(layers.append)
    pair = (Witness.TENSORFLOW, Witness.ORT)
    rounded, wrong = Difference(9, 3, 0, 1e-7, 1), Difference(9, 3, 1, 1.0, 9)
    for found in ({"a": rounded, "b": wrong}, {"b": wrong}, {"a": wrong}):
        evidence = Evidence({name: {pair: difference} for name, difference in found.items()})
        seen(Observation(Trial({}), {}, evidence, 0))
    assert layers == ["b", "a"]


def test_of_a_layer_that_is_ignored_nothing_is_told() -> None:
    """The bar would say DIFFERS while the check passes."""
    layers: list[str] = []
    seen = FirstSeen(layers.append, {"a": "issue 12"})
    wrong = {(Witness.TENSORFLOW, Witness.ORT): Difference(9, 3, 1, 1.0, 9)}
    seen(Observation(Trial({}), {}, Evidence({"a": wrong, "b": wrong}), 0))
    assert layers == ["b"]


def test_stages_go_back_to_the_part_around() -> None:
    from qconvert.checking.stopwatch import Stopwatch

    stages: list[str] = []
    watch = Stopwatch(stages.append)
    with watch.part("tables"), watch.part("layers by themselves"):
        pass
    assert stages == ["tables", "layers by themselves", "tables"]


def test_the_bar_is_on_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stderr", stream)
    with watched(quiet=True) as watcher:
        assert not isinstance(watcher, Bar)
    with watched() as watcher:
        assert isinstance(watcher, Bar)
    assert "starting" in stream.getvalue()
