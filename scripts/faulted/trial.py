"""A command that writes over an old file while something happens to it, and what is there then."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = (sys.executable,)
OLD: Final = b"what was there before"
_SECONDS: Final = 300

#: Does something to a process that was just started.
Happening = Callable[["subprocess.Popen[str]"], None]


@dataclass(slots=True)
class Row:
    """What became of the runs with one fault: nothing mixed, nothing wrong.

    Nothing is left either, except where a process that is killed ``may_leave`` it.
    """

    fault: str
    may_leave: bool = False
    runs: int = 0
    old: int = 0
    new: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    mixtures: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing happened that must not."""
        kept = self.left and not self.may_leave
        return self.runs > 0 and not (self.mixtures or kept or self.wrong)


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

    def judge(self, row: Row, code: int, text: str = "") -> None:
        """Count what is there after a run that ended with *code* and said *text*."""
        row.runs += 1
        row.codes[str(code)] += 1
        found = self.target.read_bytes() if self.target.exists() else None
        row.old += found == OLD
        row.new += found == self.new
        if found not in (OLD, self.new):
            row.mixtures.append("no file" if found is None else f"{len(found)} bytes")
        row.left += [path.name for path in self.folder.iterdir() if path != self.target]
        if "Traceback" in text or "QC999" in text:
            row.wrong.append(text.strip().splitlines()[-1])
        if code == 0 and found != self.new:
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
) -> tuple[int, str]:
    """The exit code of *command* and what it printed."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment() if env is None else dict(env),
        cwd=cwd,
    )
    if happening is not None:
        happening(process)
    out, _ = process.communicate(timeout=_SECONDS)
    return process.returncode, out
