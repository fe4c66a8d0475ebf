"""A command that gets something bad, and everything that came of it."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.attacked.traces import Traces
from tests.hostile.case import Call

ROOT: Final = Path(__file__).resolve().parents[2]
PROGRAM: Final = ("-m", "qconvert")
#: Seconds, on a machine that does much else; the reader alone may take 30.
LIMIT: Final = 90
_WATCH: Final = Path(__file__).with_name("watch")
_CODE: Final = re.compile(r"qconvert: error (QC\d{3})|NOT RUN: (QC\d{3})")
#: What acts in a terminal, or in the log of a job.
_ACTIVE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]|^::",
    re.MULTILINE,
)
#: Sockets are bound by short names, for which a case changes the folder of this process.
_PREPARING: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command told and did; ``exit_code`` is None if it did not end in time."""

    call: Call
    code: str
    exit_code: int | None
    seconds: float
    text: str
    left: tuple[str, ...]
    opened: tuple[str, ...]
    ran: tuple[str, ...]

    @property
    def wrong_code(self) -> bool:
        """Whether it ended otherwise than it has to."""
        expected = (self.call.code, self.call.exit_code)
        return (self.code, self.exit_code) != expected or self.call.says not in self.text

    @property
    def traceback(self) -> bool:
        """Whether it ended by a bug."""
        return "Traceback" in self.text or self.code == "QC999"

    @property
    def hung(self) -> bool:
        """Whether it had to be ended."""
        return self.exit_code is None

    @property
    def active(self) -> bool:
        """Whether what it told acts where it is shown."""
        never = self.call.never
        return _ACTIVE.search(self.text) is not None or (never != "" and never in self.text)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        bad = (self.wrong_code, self.traceback, self.hung, self.active)
        return not (any(bad) or self.left or self.opened or self.ran)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one command runs: its ``folder``, and what it may fill and has to leave empty."""

    folder: Path
    temporary: Path
    traces: Traces

    @classmethod
    def below(cls, scratch: Path) -> "Place":
        """New folders."""
        names = ("folder", "temporary", "traces")
        for name in names:
            (scratch / name).mkdir()
        folder, temporary, traces = (scratch / name for name in names)
        return cls(folder, temporary, Traces(traces))

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """That of the command."""
        return {
            **os.environ,
            "PYTHONPATH": f"{_WATCH}{os.pathsep}{ROOT}",
            "TMPDIR": str(self.temporary),
            "QCONVERT_WATCH": str(self.traces.notes),
            "QCONVERT_CACHE": "off",
            **more,
        }

    def contents(self) -> dict[str, str]:
        """What lies in the folder, by its path; links and devices are told by their kind."""
        return {str(path.relative_to(self.folder)): _content(path) for path in _all(self.folder)}

    def left(self, before: Mapping[str, str], outputs: Sequence[str]) -> tuple[str, ...]:
        """What is new, changed or gone besides *outputs*; and temporary files."""
        after = self.contents()
        changed = {name for name, _ in before.items() ^ after.items()} - set(outputs)
        return (*sorted(changed), *(str(path) for path in _all(self.temporary)))


def tried(call: Call, program: Sequence[str] = PROGRAM, limit: float = LIMIT) -> Outcome:
    """Run a command in a new folder, watched by an audit hook and by strace."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as scratch:
        place = Place.below(Path(scratch))
        with _PREPARING, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zipfile's, of entries that are there twice
            words = [str(word) for word in call.prepare(place.folder)]
        before = place.contents()
        command = [*call.through, *place.traces.command, sys.executable, *program, *words]
        begin = time.monotonic()
        exit_code, text = _ended(command, place, call.environment, limit)
        seconds = time.monotonic() - begin
        found = place.traces.judged(place.folder, place.temporary, words, call)
        code = _CODE.search(text)
        return Outcome(
            call,
            next(filter(None, code.groups())) if code else "",
            exit_code,
            seconds,
            text,
            place.left(before, call.outputs),
            found.opened,
            found.ran,
        )


def _ended(
    command: Sequence[str], place: Place, more: Mapping[str, str], limit: float
) -> tuple[int | None, str]:
    """The exit code and everything that was told; whatever is left of it is killed."""
    process = subprocess.Popen(
        command,
        cwd=place.folder,
        env=place.environment(more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    code: int | None = None
    try:
        out, _ = process.communicate(timeout=limit)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, _ = process.communicate()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return code, out.decode(errors="replace")


def _all(folder: Path) -> Iterator[Path]:
    return folder.rglob("*")


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if not path.is_file():
        return "no file"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
