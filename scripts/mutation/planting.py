"""Runs the parts of the mutation test, each in a process that sees one state of the package."""

import atexit
import compileall
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from scripts.mutation.outcome import Outcome

ROOT: Final = Path(__file__).resolve().parents[2]
PARTS: Final = ROOT / "scripts" / "mutation"
MODELS: Final = (
    "convolutions", "linear", "quantizers", "sequences", "requantized", "sums", "windows",
    "joins", "pools", "ties", "stairs",
)  # fmt: skip
#: Seconds.
TIMEOUT: Final = 900
_ENVIRONMENT: Final = {
    "PYTHONDONTWRITEBYTECODE": "1",
    # Threads of small matrix products cost more than they gain.
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class SourceMutant:
    """A bug: a text of ``file`` (in qconvert) replaced by another, and the layer that it hits.

    ``gap`` is the class of bugs that it stands for; ``failure`` says that ONNX Runtime fails, and
    ``remark`` what has to be said of the layer where only other processors show the bug.
    """

    id: str
    gap: str
    file: str
    model: str
    layer: str
    before: str
    after: str
    failure: bool = False
    remark: str = ""

    @property
    def verdict(self) -> str:
        """What the check has to say."""
        if self.remark:
            return "PASSES"
        return "UNCHECKED" if self.failure else "DIFFERS"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the checker: a text of ``file`` (in qconvert) replaced by another.

    ``case`` is what it judges wrong: the id of a bug in a file, which it does not find, or the
    name of a model, whose file it does not pass.
    """

    id: str
    file: str
    case: str
    before: str
    after: str


class StaleError(Exception):
    """A mutant whose text is not to be found exactly once."""


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a table, in its order."""
    rows: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    if len({row["id"] for row in rows}) < len(rows):
        raise StaleError("two mutants have one id")
    return rows


def run(program: str, *arguments: str | Path, package: Path) -> str:
    """Run one of the parts with the qconvert in *package*; `CalledProcessError` if it fails."""
    command = [sys.executable, str(PARTS / program), *map(str, arguments)]
    environment = os.environ | _ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(_path(package))}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=TIMEOUT
    )
    return done.stdout


def _path(package: Path) -> tuple[str, str]:
    """What is run is of one state of the package; what runs it is here."""
    return str(package), str(ROOT)


class _Forking:
    """A process that forks: what it has imported is not imported anew for each of hundreds."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, PARTS / "forking.py"],
            env=os.environ | _ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # At the end of its input it ends.
        atexit.register(self._process.communicate)

    def run(self, program: str, *arguments: str | Path, package: Path) -> str:
        """As `run` does."""
        command = [str(PARTS / program), *map(str, arguments)]
        assert self._process.stdin is not None and self._process.stdout is not None
        with tempfile.TemporaryDirectory(prefix="forked-") as name:
            out, err = Path(name, "out"), Path(name, "err")
            job = [command, _path(package), str(out), str(err), TIMEOUT]
            print(json.dumps(job), file=self._process.stdin, flush=True)
            code = int(self._process.stdout.readline())
            if code:
                raise subprocess.CalledProcessError(code, command, stderr=err.read_text())
            return out.read_text()


@cache
def _forking(thread: int) -> _Forking:
    """One of each thread."""
    return _Forking()


def findings(program: str, *arguments: str | Path, package: Path) -> Iterator[dict[str, Any]]:
    """The lines of JSON that one of the parts prints; `RuntimeError` of another package."""
    forking = _forking(threading.get_ident())
    for text in forking.run(program, *arguments, package=package).splitlines():
        found: dict[str, Any] = json.loads(text)
        if Path(found.pop("package")) != package / "qconvert":
            raise RuntimeError(f"{program} did not run with {package}")
        yield found


def check_source(folder: Path, model: str, package: Path) -> Outcome:
    """Check a model with the qconvert in *package* against what TensorFlow recorded."""
    try:
        (found,) = findings("examine.py", "check", folder, model, package=package)
    except subprocess.CalledProcessError as error:
        return _crashed(error)
    return Outcome(**found)


def check_files(folder: Path, cases: Iterable[str], package: Path) -> dict[str, Outcome]:
    """Check files with bugs, or those of models, with the qconvert in *package*."""
    cases = list(cases)
    try:
        lines = list(findings("examine_files.py", "check", folder, *cases, package=package))
    except subprocess.CalledProcessError as error:
        return dict.fromkeys(cases, _crashed(error))
    return {line.pop("case"): Outcome(**line) for line in lines}


def _crashed(error: subprocess.CalledProcessError) -> Outcome:
    return Outcome("CRASHED", None, str(error.stderr).strip().rpartition("\n")[2])


def planted(source: str, mutant: SourceMutant | Fault) -> str:
    """The text of a file with the bug in it."""
    count = source.count(mutant.before)
    if count != 1:
        raise StaleError(f"{mutant.id}: {mutant.file} has its text {count} times, not once")
    return source.replace(mutant.before, mutant.after)


def copied(package: Path, name: str) -> Path:
    """A compiled copy of the qconvert in *package*, in the folder *name*."""
    copy = Path(name).resolve()
    shutil.copytree(package / "qconvert", copy / "qconvert")
    compileall.compile_dir(copy, quiet=1)
    return copy


def with_bug(package: Path, name: str, mutant: SourceMutant | Fault) -> Path:
    """A copy of *package* with the bug in it; all other files are the same."""
    copy = Path(name).resolve()
    shutil.copytree(package / "qconvert", copy / "qconvert", copy_function=os.link)
    path = copy / "qconvert" / mutant.file
    text = planted(path.read_text(encoding="utf-8"), mutant)
    path.unlink()
    path.write_text(text, encoding="utf-8")
    return copy


def recorded(records: Path, package: Path) -> Path:
    """The folder of models and of TensorFlow's results, made unless it is there already."""
    worker = sorted((package / "qconvert/runners/tf_worker").glob("*.py"))
    written = sorted(PARTS.glob("*models.py"))
    sources = (*written, PARTS / "options.py", PARTS / "examine.py", *worker)
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    digest.update(f"{version('tensorflow')} {version('qkeras')}".encode())
    folder = records / digest.hexdigest()[:16]
    if not folder.is_dir():
        records.mkdir(parents=True, exist_ok=True)
        # Renamed when it is complete, so that nobody finds a half of it.
        with tempfile.TemporaryDirectory(dir=records) as name:
            unfinished = Path(name) / "records"
            unfinished.mkdir()
            run("models.py", unfinished, package=package)
            run("examine.py", "record", unfinished, *MODELS, package=package)
            unfinished.rename(folder)
    return folder
