"""Cases that atheris finds: bytes that take branches of our code that no other took before."""

import atexit
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from scripts.fuzzing.guided_targets import TARGETS
from scripts.fuzzing.shrinking import shrunk
from scripts.fuzzing.tally import Budget, Failure, Tally

_ROOT: Final = Path(__file__).resolve().parents[2]
_PROCESS: Final = Path(__file__).with_name("guided_process.py")
#: What libFuzzer calls files of cases that ended or stopped the process.
_LEFT: Final = ("crash-*", "oom-*", "timeout-*")


@dataclass(frozen=True, slots=True)
class Guided:
    """A target by its name in `guided_targets.py`, and ``suffix`` for its inputs."""

    name: str
    what: str
    suffix: str


def run(target: Guided, budget: Budget) -> Tally:
    """Have a process try cases until the budget is spent or one fails."""
    with TemporaryDirectory() as name:
        cases, seed = budget.cases or 0, budget.seed + 1
        process = _forking(_ROOT)
        assert process.stdin is not None and process.stdout is not None
        print(json.dumps((target.name, name, budget.seconds, cases, seed)), file=process.stdin)
        process.stdin.flush()
        if not process.stdout.readline():
            raise RuntimeError(f"{_PROCESS} does not start: run it to see why")
        return _tally(target, Path(name))


@cache
def _forking(root: Path) -> "subprocess.Popen[str]":
    """What forks a process for each target: to count branches of so much code takes seconds."""
    process = subprocess.Popen(
        [sys.executable, str(_PROCESS)],
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    atexit.register(process.communicate)
    return process


def _tally(target: Guided, folder: Path) -> Tally:
    tally = Tally(target.name)
    result = folder / "result.json"
    if not result.exists():
        left = [path for pattern in _LEFT for path in folder.glob(pattern)]
        content = left[0].read_bytes() if left else b""
        said = (folder / "said.txt").read_text(errors="replace")
        tally.failures.append(Failure(said[-10_000:], content, target.suffix))
        return tally
    found = json.loads(result.read_text())
    tally.outcomes, tally.slowest = Counter(found["outcomes"]), found["slowest"]
    if found["failure"]:
        content = shrunk(bytes.fromhex(found["content"]), partial(_fails, target.name))
        tally.failures.append(Failure(found["failure"], content, target.suffix))
    return tally


def _fails(name: str, data: bytes) -> bool:
    """Whether the case, which does not end a process, fails here as well."""
    try:
        TARGETS[name].attempt(data)
    except Exception:  # as before
        return True
    return False
