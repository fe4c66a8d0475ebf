"""F6 and F8: random models with all witnesses, and the clean files that TensorFlow gets of them.

Both are scripts by themselves; TensorFlow's start takes most of the time of a few models.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from scripts.fuzzing.tally import Budget, Failure, Tally

_SCRIPTS: Final = Path(__file__).resolve().parents[1]
_AT_ONCE: Final = 5
_SAMPLES: Final = 8
#: A line of a model that is not right.
_WRONG: Final = re.compile(r"seed (\d+)\t(.*)")
#: A line of a model whose clean file is loaded: all is right unless ``DIFFERS`` follows.
_COMPARED: Final = re.compile(r" *\d+ arrays, written in")


@dataclass(frozen=True, slots=True)
class Programs:
    """Scripts that make models, check them and compare their clean files."""

    name: str
    what: str


def run(target: Programs, budget: Budget) -> tuple[Tally, Tally]:
    """Try models until the budget is spent: what became of them, and of their clean files."""
    models, clean = Tally(target.name), Tally("clean")
    deadline, first = time.monotonic() + budget.seconds, budget.seed * 100_000
    count = min(_AT_ONCE, budget.cases or _AT_ONCE)
    while not (models.failures or clean.failures):
        with TemporaryDirectory() as name:
            begin = time.monotonic()
            _checked(models, Path(name), first, count)
            middle = time.monotonic()
            _cleaned(clean, Path(name))
        models.slowest = max(models.slowest, (middle - begin) / count)
        clean.slowest = max(clean.slowest, (time.monotonic() - middle) / count)
        first += count
        if budget.cases or time.monotonic() >= deadline:
            break
    return models, clean


def _checked(tally: Tally, folder: Path, first: int, count: int) -> None:
    """F6: how many models are right, each by its seed."""
    options = ("--first", first, "--count", count, "--samples", _SAMPLES, "--keep", folder)
    done = _run("random_models.py", *options)
    wrong = [found for line in done.stdout.splitlines() if (found := _WRONG.fullmatch(line))]
    for found in wrong:
        tally.failures.append(Failure(found[0], (folder / f"{found[1]}.h5").read_bytes(), ".h5"))
    if done.returncode and not wrong:
        tally.failures.append(Failure(done.stdout + done.stderr, b"", ".txt"))
    tally.outcomes[""] += count - len(tally.failures)


def _cleaned(tally: Tally, folder: Path) -> None:
    """F8: of the same models."""
    done = _run("clean_files.py", folder)
    for path in _named(done.stdout, folder):
        tally.failures.append(Failure(done.stdout, path.read_bytes(), ".h5"))
    if done.returncode and not tally.failures:
        tally.failures.append(Failure(done.stdout + done.stderr, b"", ".txt"))
    compared = sum(bool(_COMPARED.match(line)) for line in done.stdout.splitlines())
    tally.outcomes[""] += compared - len(tally.failures)


def _named(said: str, folder: Path) -> Iterator[Path]:
    """The files whose lines say that they differ."""
    for path in folder.glob("*.h5"):
        if any(line.startswith(f"DIFFERS  {path}:") for line in said.splitlines()):
            yield path


def _run(script: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(_SCRIPTS / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
