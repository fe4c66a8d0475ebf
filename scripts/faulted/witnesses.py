"""Witnesses that die or lie in every phase of a check: never a pass."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from scripts.faulted.row import Row
from scripts.faulted.running import ROOT, Ended, environment, run

#: The faults of `witness`, and the exit codes that each may have: 0 never.
FAULTS: Final = {
    **{f"kill:{do}": {1, 5} for do in ("load", "weights", "run", "predict")},
    **{f"lie:{do}": {1, 5} for do in ("load", "weights", "run", "predict")},
    "late:run": {1, 5},
    "huge:run": {1, 5},
    "wrong:run": {1},
    "wrong:weights": {1},
}
_ORT: Final = "qconvert/runners/ort_worker"


def interpreter(folder: Path) -> Path:
    """A program that can be given as ``--tf-python``."""
    path = folder / "python"
    script = ROOT / "scripts" / "faulted" / "witness.py"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def command(
    model: Path, folder: Path, option: str = "--json", report: str = "report.json"
) -> list[str]:
    """A check with the stand-in, and a *report*, by *option* of this kind."""
    words = ["-m", "qconvert", "check", str(model), "--samples", "17", option, str(folder / report)]
    return [sys.executable, *words, "--force", "--tf-python", str(interpreter(folder))]


def settings(fault: str = "") -> dict[str, str]:
    """The environment of a check whose TensorFlow has a *fault*."""
    return environment(FAULT=fault, QCONVERT_CACHE="off")


def checked(model: Path, folder: Path, fault: str, codes: Collection[int]) -> Row:
    """A check whose TensorFlow has a *fault*; without one it passes."""
    row = Row(f"TensorFlow: {fault or 'none'}")
    _judge(row, folder, run(command(model, folder), env=settings(fault)), codes)
    return row


def killed_runtime(model: Path, folder: Path, count: int) -> Row:
    """Checks in which ONNX Runtime's process is killed, at several moments."""
    row = Row("ONNX Runtime killed")
    for i in range(count):

        def happening(process: "subprocess.Popen[str]", delay: float = 0.03 * i) -> None:
            child = _child_of(process, _ORT)
            if child is not None:
                time.sleep(delay)
                os.kill(child, signal.SIGKILL)

        end = run(command(model, folder), happening=happening, env=settings())
        # It may have been done with all that it is for.
        _judge(row, folder, end, {0, 1, 5})
    return row


def _judge(row: Row, folder: Path, end: Ended, codes: Collection[int]) -> None:
    row.count(end, codes)
    if row.wrong:
        return
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    if report["passed"] is not (end.code == 0):
        row.wrong.append("the report says something else")
    failed = any(each["failure"] for each in report["witnesses"])
    if failed and report["passed"]:
        row.wrong.append("passed without a witness")


def _child_of(process: "subprocess.Popen[str]", script: str) -> int | None:
    """The process that *process* starts with a *script*, once it is there."""
    while process.poll() is None:
        path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        for child in path.read_text().split() if path.exists() else ():
            line = Path(f"/proc/{child}/cmdline")
            if line.exists() and script in line.read_bytes().decode(errors="replace"):
                return int(child)
        time.sleep(0.005)
    return None
