"""Build the networks of QKeras's own examples and tests, convert them and check them.

One line for each: where QKeras has it, what became of it, and why it is not bit for bit. The exit
code is 1 if anything is not as ``examples/`` states. Names as arguments choose some models.

Not among them are the examples ``example_b2t`` and ``example_ternary`` and the tests of single
functions (of quantizers' ranges, noise and texts, of registries and of estimates), which have no
network; ``tests/conformance`` compares the quantizers.
"""

import argparse
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tensorflow as tf
from tensorflow.python.ops import array_ops
from tensorflow.python.util import nest

import qconvert
from qconvert.checking import CheckedFile, Report, Subject, assemble, examine, seeded
from qconvert.errors import UnsupportedError
from qconvert.runners.tf import TensorFlowRunner
from scripts.examples import (
    classifiers,
    converting,
    documented,
    estimating,
    folding,
    layers,
    recurrent,
)
from scripts.examples.example import Example, Keras, built

EXAMPLES: Final = (
    *classifiers.EXAMPLES,
    *documented.EXAMPLES,
    *converting.EXAMPLES,
    *estimating.EXAMPLES,
    *folding.EXAMPLES,
    *layers.EXAMPLES,
    *recurrent.EXAMPLES,
)
_RIGHT: Final = ("PROVEN", "BOUNDED", "SAMPLED")


def main() -> int:
    """Check the models and print the table."""
    arguments = _arguments()
    # What QKeras 0.9.0 uses of TensorFlow and TensorFlow no longer has.
    array_ops.stack, array_ops.unstack = tf.stack, tf.unstack
    nest.is_sequence = nest.is_nested
    # Keras says much about files and initializers, for every model.
    warnings.simplefilter("ignore")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    chosen = [e for e in EXAMPLES if e.name in arguments.names or not arguments.names]
    wrong = 0
    with Checker(arguments.samples) as checker:
        for example in chosen:
            found, problems = outcome(example, checker)
            wrong += bool(problems)
            print(f"{example.source}\t{example.name}\t{found}", flush=True)
            print("".join(f"  NOT AS STATED: {problem}\n" for problem in problems), end="")
    print(f"{len(chosen)} models, {wrong} not as stated")
    return int(wrong > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="MODEL", help="all, if none is given")
    parser.add_argument("--samples", type=int, default=8, help="of each model")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {example.name for example in EXAMPLES}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    return arguments


class Checker:
    """A context that checks models, one TensorFlow process for all."""

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._stack = ExitStack()
        self._tensorflow: TensorFlowRunner | None = None

    def __enter__(self) -> "Checker":
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="qconvert-examples-"))
        self._path = Path(folder) / "model.h5"
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def check(self, model: Keras) -> Report:
        """The report on a model, from its file on."""
        model.save(self._path)
        graph = qconvert.load(self._path)
        exported = qconvert.export(self._path)
        panel = assemble(graph, exported.model, self._loading())
        file = CheckedFile(None, "")
        return examine(Subject(graph, file, file), panel, seeded(graph, self._samples))

    def _loading(self) -> TensorFlowRunner:
        if self._tensorflow is None:
            self._tensorflow = self._stack.enter_context(TensorFlowRunner(self._path))
        else:
            self._tensorflow.reload()
        return self._tensorflow


def outcome(example: Example, checker: Checker) -> tuple[str, list[str]]:
    """What became of an example, and what of that is not as it states."""
    try:
        model = built(example)
    except Exception as error:  # whatever QKeras raises is a part of the table
        text = f"{type(error).__name__}: {error}"
        return f"QKeras raises {_short(text)}", _unlike("impossible", example.impossible, text)
    try:
        report = checker.check(model)
    except UnsupportedError as error:
        reasons = "; ".join(map(str, error.problems))
        return f"refused: {reasons}", _unlike("refused", example.refused, reasons)
    stated = example.impossible or example.refused
    problems = [f"it passed, and should not: {stated}"] if stated else []
    return _described(report), [*problems, *_wrong(example, report)]


def _unlike(what: str, stated: str, text: str) -> list[str]:
    return [] if stated and stated in text else [f"{what} is {stated!r}, and this is {text}"]


def _short(text: str) -> str:
    return " ".join(text.split())[:200]


def _described(report: Report) -> str:
    reasons = dict.fromkeys(
        f"{layer.name}: {layer.finding.reason}"
        for layer in report.layers
        if not layer.finding.equal
    )
    return "\t".join([report.verdict.value, *(["; ".join(reasons)] if reasons else [])])


def _wrong(example: Example, report: Report) -> Iterator[str]:
    """What is not bit for bit, and is not stated to round."""
    if not report.passed:
        yield f"the verdict is {report.verdict.value}"
    for layer in report.layers:
        verdict = layer.finding.verdict.value
        if verdict not in _RIGHT:
            yield f"{layer.name} is {verdict}"
        elif not layer.finding.equal and layer.name not in example.rounds:
            yield f"{layer.name} differs by rounding"
    yield from (f"there is no layer {name}" for name in _absent(example.rounds, report))
    yield from (f"{w.witness.value}: {w.failure}" for w in report.witnesses if w.failure)


def _absent(names: Sequence[str], report: Report) -> set[str]:
    return set(names) - {layer.name for layer in report.layers}


if __name__ == "__main__":
    sys.exit(main())
