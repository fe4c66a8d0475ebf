"""Export and check every model below a folder, through the command line alone.

One line a model, then a summary. What a line says about a model comes from exit codes and from
the JSON report of `qconvert check`; the reason why one was not exported is the command's own
message. Exits 0 if every model got an answer, whatever it was, and 1 if a command broke, timed
out or lacked a witness.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.surveyed.rows import (
    HEADINGS,
    Row,
    known,
    markdown,
    outputs_identical,
    own_differences,
    summary,
)

MODEL_SUFFIXES: Final = frozenset({".h5", ".hdf5", ".keras"})
WEIGHTS_ENDINGS: Final = ("_weights.h5", "_weights.hdf5", ".weights.h5", ".h5", ".hdf5")
"""What stands instead of ``.json`` in the name of an architecture's weights, best first."""

ANSWERS: Final[Mapping[int | None, str]] = {0: "yes", 3: "unsupported", 4: "bad file", 7: "limit"}
"""The exit codes of `export` that are an answer about the model."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model to try; ``weights`` is the second file of an architecture."""

    name: str
    path: Path
    weights: Path | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        """The options that name it on the command line."""
        if self.path.is_dir():
            return ("--via-tensorflow",)
        return () if self.weights is None else ("--weights", str(self.weights))


@dataclass(frozen=True, slots=True)
class Limits:
    """How far each check goes, and the seconds after which a command is ended."""

    samples: int | None
    timeout: float
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended; ``code`` is ``None`` if it ran into the time-out."""

    code: int | None
    message: str


def find_models(folder: Path) -> tuple[Model, ...]:
    """Every model below *folder*, by path; weights that belong to an architecture are no model."""
    architectures = {
        path: weights_of(path) for path in folder.rglob("*.json") if is_architecture(path)
    }
    taken = set(architectures.values())
    files = (p for p in folder.rglob("*") if p.suffix in MODEL_SUFFIXES and p.is_file())
    saved = (path.parent for path in folder.rglob("saved_model.pb"))
    paths = sorted({*architectures, *(p for p in files if p not in taken), *saved})
    return tuple(Model(str(p.relative_to(folder)), p, architectures.get(p)) for p in paths)


def is_architecture(path: Path) -> bool:
    """Whether a JSON file describes a Keras model."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"class_name", "config"} <= content.keys()


def weights_of(architecture: Path) -> Path | None:
    """The file beside *architecture* that holds its weights."""
    names = (architecture.with_name(architecture.stem + ending) for ending in WEIGHTS_ENDINGS)
    return next((path for path in names if path.is_file()), None)


def run(arguments: Sequence[str | Path], timeout: float) -> Ended:
    """Run the command line; on a time-out, end it with all the processes that it started."""
    command = [sys.executable, "-m", "qconvert", *map(str, arguments)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        _, message = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Ended(None, f"ended after {timeout:.0f} s")
    return Ended(process.returncode, " ".join(message.split()).removeprefix("qconvert: error: "))


def process(model: Model, limits: Limits) -> Row:
    """Export and check one model."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        onnx, report = Path(name) / "model.onnx", Path(name) / "report.json"
        options = model.arguments
        export = run(("export", model.path, *options, "-o", onnx), limits.timeout)
        if export.code != 0:
            return not_exported(model, export, time.monotonic() - start)
        asked = [] if limits.samples is None else ["--samples", str(limits.samples)]
        asked += [word for text in limits.domains for word in ("--domain", text)]
        check = run(("check", model.path, onnx, *options, "--json", report, *asked), limits.timeout)
        seconds = time.monotonic() - start
        if not report.is_file():
            return unchecked(model, check, seconds)
        return checked(model, check, json.loads(report.read_bytes()), seconds)


def not_exported(model: Model, export: Ended, seconds: float) -> Row:
    """The row of a model that `export` refused, or broke on."""
    answered = export.code in ANSWERS
    exported = ANSWERS.get(export.code, f"exit {export.code}")
    return Row(model.name, exported, "-", answered, seconds, message=export.message)


def unchecked(model: Model, check: Ended, seconds: float) -> Row:
    """The row of a model that was exported, but whose check left no report."""
    verdict = f"exit {check.code}"
    return Row(model.name, "yes", verdict, False, seconds, message=check.message)


def checked(model: Model, check: Ended, report: Mapping[str, Any], seconds: float) -> Row:
    """The row of a model that was exported and checked."""
    return Row(
        name=model.name,
        exported="yes",
        verdict=report["verdict"],
        answered=check.code in (0, 1),
        seconds=seconds,
        counts=Counter(map(known, report["layers"])),
        outputs=outputs_identical(report["outputs"]),
        differences=tuple(own_differences(report)),
        message="" if check.code in (0, 1) else check.message,
        parts=report["seconds"],
    )


def arguments() -> argparse.Namespace:
    """The command line of this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="models at a time")
    parser.add_argument(
        "--samples", type=int, help="samples of each check; else as many as check chooses"
    )
    parser.add_argument(
        "--domain", action="append", default=[], help="what inputs can be, as check takes it"
    )
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds for each command")
    parser.add_argument("--report", type=Path, help="also write the table as Markdown")
    return parser.parse_args()


def main() -> int:
    """Try every model, several at a time, and print each as soon as those before it are done."""
    options = arguments()
    models = find_models(options.folder)
    if not models:
        print(f"{options.folder}: no model below it", file=sys.stderr)
        return 1
    limits = Limits(options.samples, options.timeout, tuple(options.domain))
    start, rows = time.monotonic(), []
    print("\t".join(HEADINGS))
    with ThreadPoolExecutor(options.jobs) as pool:
        for row in pool.map(lambda model: process(model, limits), models):
            rows.append(row)
            print("\t".join(row.cells), flush=True)
    print(total := summary(rows, time.monotonic() - start))
    if options.report is not None:
        options.report.write_text(markdown(rows, total), encoding="utf-8")
    return 0 if all(row.answered for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
