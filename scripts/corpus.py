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
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

MODEL_SUFFIXES: Final = frozenset({".h5", ".hdf5", ".keras"})
WEIGHTS_ENDINGS: Final = ("_weights.h5", "_weights.hdf5", ".weights.h5", ".h5", ".hdf5")
"""What stands instead of ``.json`` in the name of an architecture's weights, best first."""

ANSWERS: Final[Mapping[int | None, str]] = {0: "yes", 3: "unsupported", 4: "bad file", 7: "limit"}
"""The exit codes of `export` that are an answer about the model."""

PASSES: Final = ("PROVEN", "BOUNDED", "SAMPLED")
METHODS: Final = ("algebraic", "codes", "enumerated")


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


@dataclass(frozen=True, slots=True)
class Difference:
    """A layer that differs or could not be checked, by itself, and what the report says of it."""

    layer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one model."""

    name: str
    exported: str
    verdict: str
    answered: bool
    seconds: float
    counts: Mapping[str, int] = field(default_factory=dict)
    outputs: str = "-"
    differences: tuple[Difference, ...] = ()
    message: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns of `HEADINGS`."""
        first = next(iter(self.differences), None)
        why = self.message if first is None else f"{first.layer}: {first.reason}"
        counts = (str(self.counts.get(name, 0)) for name in COUNTED)
        parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.parts.items())
        seconds = f"{self.seconds:.1f}" + (f" ({parts})" if parts else "")
        return (self.name, self.exported, self.verdict, *counts, self.outputs, seconds, why)


COUNTED: Final = (*METHODS, "bounded", "sampled", "other")
"""Layers by how they are proven, or else by verdict."""

HEADINGS: Final = (
    "model",
    "exported",
    "verdict",
    *COUNTED,
    "outputs identical",
    "seconds",
    "first that is not proven",
)


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


def known(layer: Mapping[str, Any]) -> str:
    """How a layer is proven, or its verdict."""
    if layer["proof"]:
        return str(layer["proof"]["method"])
    verdict = str(layer["verdict"])
    return verdict.lower() if verdict in PASSES else "other"


def outputs_identical(outputs: Sequence[Mapping[str, Any]]) -> str:
    """Whether ONNX Runtime gave TensorFlow's bits, in both of its runs, for every output."""
    pairs = [
        pair
        for output in outputs
        for pair in output["comparisons"]
        if any(name.startswith("ONNX Runtime") for name in pair["witnesses"])
        and "TensorFlow" in pair["witnesses"]
    ]
    if not pairs or any(pair["elements"] == 0 for pair in pairs):
        return "-"
    worst = max(pairs, key=lambda pair: pair["differing"] / pair["elements"])
    return "no, {differing} of {elements} differ".format(**worst) if worst["differing"] else "yes"


def own_differences(report: Mapping[str, Any]) -> Iterator[Difference]:
    """What is not proven and inherits no difference; what does not pass comes first."""
    found = [r for r in report["layers"] if r["verdict"] != "PROVEN" and not r["inherited_from"]]
    for layer in sorted(found, key=lambda layer: layer["verdict"] in PASSES):
        yield Difference(layer["name"], layer["reason"] or layer["doubt"])
    for weight in report["weights"]:
        if weight["verdict"] not in ("PROVEN", "SAMPLED"):
            yield Difference(f"{weight['layer']}.{weight['role']}", weight_reason(weight))


def weight_reason(weight: Mapping[str, Any]) -> str:
    """Why an effective weight does not pass."""
    if weight["verdict"] == "UNCHECKED":
        return "an effective weight that was compared with nothing"
    return "{differing} of {elements} effective weights differ".format(**weight)


def summary(rows: Sequence[Row], seconds: float) -> str:
    """How many models came how far."""
    exported = [row for row in rows if row.exported == "yes"]
    verdicts = Counter(row.verdict for row in exported)
    parts = [
        f"{len(rows)} models; {len(exported)} exported",
        *(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())),
        f"layers: {', '.join(f'{n} {name}' for name, n in of_layers(exported))}",
        f"outputs identical in {sum(row.outputs == 'yes' for row in exported)}",
        f"without an answer: {sum(not row.answered for row in rows)}",
        f"{seconds:.0f} s",
    ]
    return "; ".join(parts)


def of_layers(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """How many layers of all models are known in which way."""
    totals = sum((Counter(row.counts) for row in rows), Counter[str]())
    return [(name, totals[name]) for name in COUNTED if totals[name]]


def markdown(rows: Sequence[Row], total: str) -> str:
    """The table and every difference, as a note that can be handed on."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    lines += ["| " + " | ".join(map(escape, row.cells)) + " |" for row in rows]
    lines += ["", total, ""]
    lines += [
        f"- {escape(row.name)}, `{difference.layer}`: {escape(difference.reason)}"
        for row in rows
        for difference in row.differences
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that does not end a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")


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
