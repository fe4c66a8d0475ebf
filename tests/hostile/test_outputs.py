"""Every command that writes: its old files or its new ones, whichever call of the system fails."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qconvert.cli import run

OLD = b"what was there before"
NOWHERE = "--tf-python /nowhere/python"
#: Commands and the files that they write, with their exit codes when nothing fails.
COMMANDS = {
    "export": ("export model.h5 -o new.onnx --json new.json", "new.onnx new.json", 0),
    "export and check": (
        f"export model.h5 -o new.onnx --check --json new.json {NOWHERE}", "", 5,
    ),
    "check": (
        f"check model.h5 model.onnx --samples 4 --json new.json --report report {NOWHERE}",
        "new.json report/report.json report/report.html report/junit.xml",
        5,
    ),
    "report": ("report report.json --format html -o new.html", "new.html", 5),
    "weights": ("weights model.h5 -o new.npz", "new.npz", 0),
    "explain": (
        "explain model.h5 --layer fc --no-run --json new.json --html new.html",
        "new.json new.html",
        0,
    ),
    "bench": ("bench model.onnx --rounds 1 --batch 1 --threads 1 --json new.json", "new.json", 0),
}  # fmt: skip


@pytest.fixture
def folder(keras: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a model, its file, and the report of a check."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.h5").write_bytes(keras.read_bytes())
    (tmp_path / "model.onnx").write_bytes(exported.read_bytes())
    check = f"check model.h5 model.onnx --samples 4 --json report.json --quiet {NOWHERE}"
    assert run(check.split()) == 5
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def failing_at(number: int, call: Callable[..., Any], seen: list[int]) -> Callable[..., Any]:
    """*call*, which the system refuses for the *number*-th time."""

    def refused(*given: Any, **named: Any) -> Any:
        seen.append(len(seen))
        if len(seen) == number:
            raise OSError(errno.EIO, "Input/output error")
        return call(*given, **named)

    return refused


def trial(words: str, call: str, number: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """The exit code of a command of whose *calls* one fails, and how many calls there were."""
    seen: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing_at(number, getattr(os, call), seen))
        code = run([*words.split(), "--force"])
    return code, len(seen)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        *((name, "replace") for name in COMMANDS),
        *((name, "fsync") for name in ("export", "explain")),
    ],
)
def test_all_files_are_old_or_all_are_new(
    name: str, call: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, listed, expected = COMMANDS[name]
    targets = listed.split()
    for target in targets:
        Path(target).parent.mkdir(exist_ok=True)
        Path(target).write_bytes(OLD)
    before = contents(folder)
    code, number = 6, 0
    while code == 6:
        number += 1
        code, calls = trial(words, call, number, monkeypatch)
        if code == 6:
            assert contents(folder) == before
    assert code == expected and calls < number
    assert number > len(targets)
    after = contents(folder)
    assert all(after[target] != OLD for target in targets)
    assert not [path for path in after if path.startswith(".qconvert")]
