"""Plant one bug at a time in a copy of qconvert, and see that `check` finds it where it is.

The bugs are in ``mutation/mutants.toml``, the models in ``mutation/models.py``. TensorFlow runs
once for every model, with the package as it is; each mutant is then checked against the record.
``--records`` keeps the records, which are made anew when what they depend on changes.
A mutant is killed if the verdict is DIFFERS and the first difference is at the expected layer;
``failure = true`` says that the mutant makes ONNX Runtime fail instead, with a message that
names the layer. Exits 1 unless all mutants are killed and the package itself passes.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
PARTS: Final = ROOT / "scripts" / "mutation"
MODELS: Final = ("convolutions", "linear", "quantizers", "sequences")
TIMEOUT: Final = 300.0


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug: a text of ``file`` (in qconvert) replaced by another, and the layer that it hits.

    ``gap`` is the class of bugs that it stands for.
    """

    id: str
    gap: str
    file: str
    model: str
    layer: str
    before: str
    after: str
    failure: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check said: its verdict, the layer of the first difference, and failures or why."""

    verdict: str
    layer: str | None
    message: str

    def kills(self, mutant: Mutant) -> bool:
        """Whether the bug was found, and where it is."""
        if mutant.failure:
            return self.verdict == "UNCHECKED" and mutant.layer in self.message
        return self.verdict == "DIFFERS" and self.layer == mutant.layer


class StaleError(Exception):
    """A mutant whose text is not to be found exactly once."""


def read_mutants(path: Path) -> tuple[Mutant, ...]:
    """The table, in its order."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    mutants = tuple(Mutant(**row) for row in rows)
    ids = [mutant.id for mutant in mutants]
    if len(set(ids)) < len(ids):
        raise StaleError("two mutants have one id")
    return mutants


def run(program: str, *arguments: str | Path, package: Path) -> str:
    """Run one of the parts with the qconvert in *package*; `CalledProcessError` if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(PARTS / program), *map(str, arguments)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=TIMEOUT
    )
    return done.stdout


def record(folder: Path, model: str, package: Path) -> None:
    """Let TensorFlow compute a model."""
    (folder / model).mkdir()
    run("examine.py", "record", folder / f"{model}.h5", folder / model, package=package)


def check(folder: Path, model: str, package: Path) -> Outcome:
    """Check a model with the qconvert in *package*."""
    try:
        text = run("examine.py", "check", folder / f"{model}.h5", folder / model, package=package)
    except subprocess.CalledProcessError as error:
        return Outcome("CRASHED", None, error.stderr.strip().rpartition("\n")[2])
    found: dict[str, Any] = json.loads(text)
    if Path(found["package"]) != package / "qconvert":
        raise RuntimeError(f"checked with {found['package']}, not with the mutant")
    # ONNX Runtime's messages have several lines.
    message = " ".join(" ".join([found["reason"], *found["failures"]]).split())
    return Outcome(found["verdict"], found["layer"], message)


def planted(source: str, mutant: Mutant) -> str:
    """The text of a file with the bug in it."""
    count = source.count(mutant.before)
    if count != 1:
        raise StaleError(f"{mutant.id}: {mutant.file} has its text {count} times, not once")
    return source.replace(mutant.before, mutant.after)


def copied(package: Path, name: str) -> Path:
    """A copy of the qconvert in *package*, in the folder *name*."""
    copy = Path(name).resolve()
    shutil.copytree(package / "qconvert", copy / "qconvert")
    return copy


def examine(folder: Path, mutant: Mutant, package: Path) -> Outcome:
    """Plant a bug in a copy of the package, and check."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        copy = copied(package, name)
        path = copy / "qconvert" / mutant.file
        path.write_text(planted(path.read_text(encoding="utf-8"), mutant), encoding="utf-8")
        return check(folder, mutant.model, copy)


def recorded(records: Path, package: Path, pool: ThreadPoolExecutor) -> Path:
    """The folder of models and of TensorFlow's results, made unless it is there already."""
    worker = sorted((package / "qconvert/runners/tf_worker").glob("*.py"))
    sources = (PARTS / "models.py", PARTS / "examine.py", *worker)
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
            list(pool.map(lambda model: record(unfinished, model, package), MODELS))
            unfinished.rename(folder)
    return folder


def require_passing(folder: Path, package: Path, pool: ThreadPoolExecutor) -> None:
    """`RuntimeError` if the package itself does not pass."""
    outcomes = pool.map(lambda model: check(folder, model, package), MODELS)
    for model, outcome in zip(MODELS, outcomes, strict=True):
        # Folded weights depend on the processor: BOUNDED.
        if outcome.verdict not in ("SAMPLED", "BOUNDED"):
            raise RuntimeError(f"without any bug, {model} does not pass: {outcome}")


def line(mutant: Mutant, outcome: Outcome) -> str:
    """One line about a mutant."""
    killed = outcome.kills(mutant)
    named = mutant.layer if killed else f"{outcome.layer} instead of {mutant.layer}"
    parts = ("killed" if killed else "SURVIVED", mutant.gap, mutant.id, mutant.file, named)
    return "\t".join((*parts, outcome.message if killed else f"{outcome}"))


def survivors(chosen: Sequence[Mutant], records: Path, package: Path, jobs: int) -> int:
    """Check all mutants, print a line for each, and count those that were not found."""
    alive = 0
    with ThreadPoolExecutor(jobs) as pool:
        folder = recorded(records, package, pool)
        require_passing(folder, package, pool)
        outcomes = pool.map(lambda mutant: examine(folder, mutant, package), chosen)
        for mutant, outcome in zip(chosen, outcomes, strict=True):
            print(line(mutant, outcome), flush=True)
            alive += not outcome.kills(mutant)
    return alive


def arguments() -> argparse.Namespace:
    """The command line of this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument("--records", type=Path, help="where to keep TensorFlow's results")
    parser.add_argument("--table", type=Path, default=PARTS / "mutants.toml")
    parser.add_argument("ids", nargs="*", help="only these mutants")
    return parser.parse_args()


def main() -> int:
    """Check the mutants, or those that were asked for."""
    options = arguments()
    mutants = read_mutants(options.table)
    chosen = [mutant for mutant in mutants if not options.ids or mutant.id in options.ids]
    with tempfile.TemporaryDirectory(prefix="mutants-") as temporary:
        # Mutants of one run are mutants of one package, whatever happens to its files meanwhile.
        package = copied(ROOT, temporary)
        for mutant in mutants:
            planted((package / "qconvert" / mutant.file).read_text(encoding="utf-8"), mutant)
        records = options.records or Path(temporary) / "records"
        alive = survivors(chosen, records, package, options.jobs)
    print(f"{len(chosen) - alive} of {len(chosen)} mutants killed, each at its layer")
    return 1 if alive or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
