"""A command while something happens to it, and how it has ended once all of it is gone."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_SECONDS: Final = 300

#: Does something to a process that was just started.
Happening = Callable[["subprocess.Popen[str]"], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command has ended with, what it printed, and what it ``left`` in its `TMPDIR`."""

    code: int
    text: str
    left: tuple[str, ...]


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


def once(seen: Callable[[], bool], number: signal.Signals) -> Happening:
    """A process gets a signal as soon as something is *seen*, if it has not ended by then."""

    def happening(process: "subprocess.Popen[str]") -> None:
        while not seen() and process.poll() is None:
            time.sleep(0.001)
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
