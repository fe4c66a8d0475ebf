"""Whatever happens while an output is written, there is the old file or the new one."""

import shutil
import signal
import sys
from pathlib import Path

import pytest

from qconvert import api
from scripts import faults
from scripts.faulted import reports, witnesses, writing
from scripts.faulted.model import write_model
from scripts.faulted.row import Row
from scripts.faulted.running import run
from scripts.faulted.subject import Subject

#: A writer as one writes it first, with the bug that each fault is for.
NAIVE = writing.LOOP.replace(
    "outputs.file(folder / name, bytes([65 + i % 26]) * size)",
    "(folder / name).write_bytes(bytes([65 + i % 26]) * size)",
)


#: A program that ends before its child does, which leaves a temporary folder.
UNTIDY = """
import subprocess, sys
late = "import tempfile, time; time.sleep(0.5); tempfile.mkdtemp(prefix='late-')"
# A pipe of the parent's would be waited for anyway.
subprocess.Popen([sys.executable, "-c", late], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    model = write_model(tmp_path / "model.h5", units=20_000)
    new = api.export(model).model.SerializeToString(deterministic=True)
    return Subject(model, tmp_path / "out", new)


@pytest.mark.parametrize("fault", writing.SINGLE)
def test_one_fault(fault: writing.Fault, subject: Subject) -> None:
    row = fault(subject)
    assert row.holds, row


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_while_files_are_written(number: signal.Signals, tmp_path: Path) -> None:
    row = writing.killed_while_writing(tmp_path, 4, number)
    assert row.holds, row


def test_a_writer_without_a_temporary_file_is_seen(tmp_path: Path) -> None:
    row = writing.killed_while_writing(tmp_path, 20, loop=NAIVE)
    assert row.mixtures


def test_signals_while_a_model_is_exported(subject: Subject) -> None:
    row = writing.killed(subject, 4, signal.SIGTERM)
    assert row.holds, row


def test_each_call_that_fails(subject: Subject) -> None:
    assert shutil.which("strace"), "strace is missing: apt-get install strace"
    rows = list(writing.failing_calls(subject, ("fsync", "rename", "link,linkat")))
    for row in rows:
        assert row.holds, row
    assert [row.old for row in rows] == [2, 1, 0]


@pytest.mark.parametrize(
    ("trace", "order"),
    [
        ('rename("F/.x.part", "F/m")\nfsync(3<F/m>)', ["rename", "fsync"]),
        ('write(3<F/.x.part>, "a")\nrename("F/.x.part", "F/m")', ["write", "rename"]),
        ('write(1</dev/pts/0>, "F/m")\nfsync(3<F>)', ["fsync folder"]),
    ],
)
def test_another_order_is_seen(trace: str, order: list[str]) -> None:
    assert writing.order_in(trace, Path("F")) == order


def test_the_same_bytes_everywhere(subject: Subject) -> None:
    row = writing.same_bytes(subject, writing.SETTINGS)
    assert row.holds and row.new == row.runs, row


def test_many_exports_to_one_path(subject: Subject) -> None:
    row = writing.at_once(subject, 3)
    assert row.holds and row.new == row.runs, row


def test_memory_that_ends_while_a_large_model_is_read(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.h5", units=4_000_000)
    new = api.export(model).model.SerializeToString(deterministic=True)
    row = writing.memory(Subject(model, tmp_path / "out", new), 198, 72, enough=1)
    assert row.holds and row.old > 0, row


def test_little_memory(subject: Subject) -> None:
    row = writing.memory(subject, 134, 24, enough=1)
    assert row.holds and row.old > 0, row


@pytest.mark.parametrize("name", witnesses.FAULTS)
def test_no_check_passes_whose_witness_dies_or_lies(name: str, keras: Path, tmp_path: Path) -> None:
    row = witnesses.checked(keras, tmp_path, name, witnesses.FAULTS[name])
    assert row.holds, row


def test_the_stand_in_for_tensorflow_passes_without_a_fault(keras: Path, tmp_path: Path) -> None:
    row = witnesses.checked(keras, tmp_path, "", {0})
    assert row.holds, row


def test_no_check_passes_whose_runtime_is_killed(keras: Path, tmp_path: Path) -> None:
    row = witnesses.killed_runtime(keras, tmp_path, 3)
    assert row.holds and row.codes.keys() <= {"1", "5"}, row


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_while_a_report_is_replaced(
    number: signal.Signals, keras: Path, tmp_path: Path
) -> None:
    row = reports.interrupted(keras, tmp_path, 3, number)
    assert row.holds, row


@pytest.mark.parametrize(
    ("row", "reasons"),
    [
        (Row("f", runs=1), []),
        (Row("f"), ["nothing was run"]),
        (Row("f", runs=2, mixtures=["7 bytes"] * 2), ["a mixture: 7 bytes"]),
        (Row("f", runs=1, left=["x"]), ["left: x"]),
        (Row("f", runs=1, temporary=["y"]), ["left in TMPDIR: y"]),
        (Row("f", runs=1, left=["x"], temporary=["y"], may_leave=True), []),
        (Row("f", runs=1, wrong=["exit code 70: "]), ["exit code 70: "]),
        (Row("f", runs=2, old=1, new=1, both=True), []),
        (Row("f", runs=2, old=2, both=True), ["no run left the new file"]),
        (Row("f", runs=2, new=2, both=True), ["no run left the old file"]),
    ],
)
def test_a_row_that_fails_says_why(
    row: Row,
    reasons: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(faults, "rows", lambda *_: [row])
    monkeypatch.setattr(sys, "argv", ["faults.py"])
    assert faults.main() == (len(reasons) > 0)
    told = [line[4:] for line in capsys.readouterr().out.splitlines() if line[:4] == "    "]
    assert told == reasons


def test_what_a_child_leaves_after_the_command_is_seen() -> None:
    end, row = run([sys.executable, "-c", UNTIDY]), Row("untidy")
    row.count(end, {0})
    assert [name.partition("-")[0] for name in row.temporary] == ["late"]
    assert not row.wrong and not row.holds
