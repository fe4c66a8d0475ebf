"""Cases that atheris finds: bytes that take branches of our code that no other took before."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from scripts.fuzzing.guided_targets import TARGETS
from scripts.fuzzing.shrinking import shrunk
from scripts.fuzzing.tally import Budget, Failure, Tally

_ROOT: Final = Path(__file__).resolve().parents[2]
_PROCESS: Final = Path(__file__).with_name("guided_process.py")
#: Seconds for the start of the process, and for what failed to be made smaller.
_AROUND: Final = 300
#: What libFuzzer calls files of cases that ended or stopped the process.
_LEFT: Final = ("crash-*", "oom-*", "timeout-*")


@dataclass(frozen=True, slots=True)
class Guided:
    """A target by its name in `guided_targets.py`, and ``suffix`` for its inputs."""

    name: str
    what: str
    suffix: str


def run(target: Guided, budget: Budget) -> Tally:
    """Have the process try cases until the budget is spent or one fails."""
    with TemporaryDirectory() as name:
        arguments = (target.name, name, budget.seconds, budget.cases or 0, budget.seed + 1)
        done = subprocess.run(
            [sys.executable, str(_PROCESS), *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONHASHSEED": "0", "TMPDIR": name},
            capture_output=True,
            timeout=budget.seconds + _AROUND,
            check=False,
        )
        return _tally(target, Path(name), done.stderr.decode(errors="replace"))


def _tally(target: Guided, folder: Path, said: str) -> Tally:
    tally = Tally(target.name)
    result = folder / "result.json"
    if not result.exists():
        left = [path for pattern in _LEFT for path in folder.glob(pattern)]
        content = left[0].read_bytes() if left else b""
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
