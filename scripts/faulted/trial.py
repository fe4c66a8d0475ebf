"""A command that writes over an old file while something happens to it, and what is there then."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = (sys.executable,)
OLD: Final = b"what was there before"
_SECONDS: Final = 300

#: Does something to a process that was just started.
Happening = Callable[["subprocess.Popen[str]"], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command has ended with, what it printed, and what it ``left`` in its `TMPDIR`."""

    code: int
    text: str
    left: tuple[str, ...]


@dataclass(slots=True)
class Row:
    """What became of the runs with one fault: nothing mixed, nothing wrong.

    Nothing is left beside the output or in ``temporary`` folders either, except where a process
    that is killed ``may_leave`` it.
    """

    fault: str
    may_leave: bool = False
    runs: int = 0
    old: int = 0
    new: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    mixtures: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    temporary: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing happened that must not."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """All that happened and must not, each once."""
        found = [] if self.runs else ["nothing was run"]
        found += [f"a mixture: {what}" for what in self.mixtures]
        if not self.may_leave:
            found += [f"left: {name}" for name in self.left]
            found += [f"left in TMPDIR: {name}" for name in self.temporary]
        return tuple(dict.fromkeys((*found, *self.wrong)))

    def count(self, end: Ended, codes: Container[int] | None = None) -> None:
        """One run more, which may end with these *codes*, or any, and with no traceback."""
        self.runs += 1
        self.codes[str(end.code)] += 1
        self.temporary += end.left
        unexpected = codes is not None and end.code not in codes
        if unexpected or "Traceback" in end.text or "QC999" in end.text:
            self.wrong.append(f"exit code {end.code}: {end.text.strip()[-300:]}")


@dataclass(frozen=True, slots=True)
class Subject:
    """`export` of *model*, of which *new* is the file; *folder* is where it is written to."""

    model: Path
    folder: Path
    new: bytes

    @property
    def target(self) -> Path:
        """The file that is written."""
        return self.folder / "model.onnx"

    @property
    def command(self) -> list[str]:
        """The export over an old file."""
        words = ["-m", "qconvert", "export", str(self.model), "-o", str(self.target), "--force"]
        return [*PYTHON, *words]

    def prepare(self) -> None:
        """The old file, and nothing beside it."""
        self.folder.mkdir(exist_ok=True)
        for path in self.folder.iterdir():
            path.unlink()
        self.target.write_bytes(OLD)

    def judge(self, row: Row, end: Ended, codes: Container[int] | None = None) -> None:
        """Count what is there after a run, which may end with these *codes*."""
        row.count(end, codes)
        found = self.target.read_bytes() if self.target.exists() else None
        row.old += found == OLD
        row.new += found == self.new
        if found not in (OLD, self.new):
            row.mixtures.append("no file" if found is None else f"{len(found)} bytes")
        row.left += [path.name for path in self.folder.iterdir() if path != self.target]
        if end.code == 0 and found != self.new:
            row.wrong.append("exit code 0 without the new file")


def environment(**more: str) -> dict[str, str]:
    """That of the process, with this project's modules."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def run(
    command: Sequence[str],
    *,
    happening: Happening | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Ended:
    """What became of *command*, once it and all that it has started are gone."""
    with tempfile.TemporaryDirectory(prefix="faulted-") as name:
        temporary = Path(name)
        temporary.chmod(0o777)  # for the trial that is another user's
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**(environment() if env is None else env), "TMPDIR": name},
            cwd=cwd,
        )
        if happening is not None:
            happening(process)
        out, _ = process.communicate(timeout=_SECONDS)
        _wait_for_users(temporary)
        left = tuple(sorted(path.name for path in temporary.iterdir()))
    return Ended(process.returncode, out, left)


def after(seconds: float, number: signal.Signals) -> Happening:
    """A process gets a signal so many seconds after it was started."""

    def happening(process: "subprocess.Popen[str]") -> None:
        time.sleep(seconds)
        process.send_signal(number)

    return happening


def excused(end: Ended, number: signal.Signals) -> tuple[Ended, set[int]]:
    """What is judged of a command that may have got a signal, and its possible exit codes.

    Before Python has set its handlers the signal itself ends the process, or Python's traceback.
    """
    codes = {0, -number, 128 + number}
    early = "KeyboardInterrupt" in end.text and "qconvert/cli" not in end.text
    return (replace(end, text=""), codes | {1}) if early else (end, codes)


def _wait_for_users(folder: Path) -> None:
    """Wait until no process has *folder* in its environment: each child that could write there."""
    deadline, wanted = time.monotonic() + _SECONDS, os.fsencode(folder)
    while any(wanted in _environment_of(process) for process in Path("/proc").glob("[0-9]*")):
        if time.monotonic() > deadline:
            raise TimeoutError(f"a process that has TMPDIR={folder} does not end")
        time.sleep(0.005)


def _environment_of(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:  # it is gone, or another user's
        return b""
