"""An export over an old file, and what is there after it."""

import sys
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.faulted.row import Row
from scripts.faulted.running import Ended

OLD: Final = b"what was there before"


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
        return [sys.executable, *words]

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
