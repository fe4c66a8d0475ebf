"""Check random models with all witnesses: what nobody thought of writing a test for.

One line for each model that is not plainly right, and a summary. A model is right if every layer
and output agrees, up to derived rounding; anything else (a difference, an error, a model of
supported layers that is refused) makes the exit code 1. ``--first`` and ``--count`` choose the
seeds, one a model, so that a line names all that it takes to see the model again. ``--keep`` names
a folder for their files.
"""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tensorflow as tf
from tensorflow.python.ops import array_ops
from tensorflow.python.util import nest

import qconvert
from qconvert.checking import CheckedFile, Report, Subject, assemble, examine, seeded
from qconvert.emit import to_onnx
from qconvert.errors import QConvertError
from qconvert.runners.tf import TensorFlowRunner
from scripts.randomized.models import random_model

#: TensorFlow keeps something of every model that it has seen.
_MODELS_PER_PROCESS: Final = 50
_RIGHT: Final = ("PROVEN", "SAMPLED", "BOUNDED")


def main() -> int:
    """Check the models and print what was found."""
    arguments = _arguments()
    # What QKeras 0.9.0 uses of TensorFlow and TensorFlow no longer has.
    array_ops.stack, array_ops.unstack = tf.stack, tf.unstack
    nest.is_sequence = nest.is_nested
    # Keras says much about files and initializers, for every model.
    warnings.simplefilter("ignore")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    seeds = range(arguments.first, arguments.first + arguments.count)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="qconvert-random-") as folder:
        path = Path(folder) / "model.h5"
        for start in range(0, len(seeds), _MODELS_PER_PROCESS):
            part = seeds[start : start + _MODELS_PER_PROCESS]
            for seed, outcome in zip(part, _outcomes(part, path, arguments.samples), strict=True):
                if arguments.keep:
                    shutil.copy(path, arguments.keep / f"{seed}.h5")
                verdict, _, message = outcome.partition(": ")
                counts[verdict] += 1
                if message:
                    print(f"seed {seed}\t{outcome}", flush=True)
    found = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    print(f"{len(seeds)} models: {found}")
    return int(any(verdict not in _RIGHT for verdict in counts))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=500, help="how many models")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first model")
    parser.add_argument("--samples", type=int, default=24, help="of each model")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="for the models, one file each")
    return parser.parse_args()


def _outcomes(seeds: range, path: Path, samples: int) -> Iterator[str]:
    """The outcome of each model; after one that failed TensorFlow starts afresh."""
    while seeds:
        for outcome in _checked(seeds, path, samples):
            yield outcome
            seeds = seeds[1:]
            if outcome not in _RIGHT:
                break


def _checked(seeds: range, path: Path, samples: int) -> Iterator[str]:
    """The outcome of each model, one TensorFlow process for all."""
    _save(seeds[0], path)
    with TensorFlowRunner(path) as tensorflow:
        yield _outcome(path, tensorflow, samples)
        for seed in seeds[1:]:
            _save(seed, path)
            tensorflow.reload()
            yield _outcome(path, tensorflow, samples)


def _save(seed: int, path: Path) -> None:
    # Without translating the code of each layer first, which takes longer than all the rest.
    tf.autograph.experimental.do_not_convert(random_model)(seed).save(path)


def _outcome(path: Path, tensorflow: TensorFlowRunner, samples: int) -> str:
    try:
        report = _report(path, tensorflow, samples)
    except QConvertError as error:
        return f"{type(error).__name__}: {error}"
    except Exception:  # what nobody foresaw is what this script is for
        return f"CRASH: {traceback.format_exc()}"
    return _described(report)


def _report(path: Path, tensorflow: TensorFlowRunner, samples: int) -> Report:
    graph = qconvert.load(path)
    panel = assemble(graph, to_onnx(graph), tensorflow)
    file = CheckedFile(None, "")
    return examine(Subject(graph, file, file), panel, seeded(graph, samples))


def _described(report: Report) -> str:
    """The verdict, and where it is no good one what is wrong."""
    wrong = [
        f"{layer.name} ({layer.class_name}) {layer.finding.verdict.value}, {layer.finding.reason}"
        for layer in report.layers
        if layer.finding.verdict.value not in _RIGHT
    ]
    wrong += [
        f"{weight.layer}/{weight.role} {weight.verdict.value}"
        for weight in report.weights
        if weight.verdict.value not in _RIGHT
    ]
    wrong += [
        f"output {output.name} {output.finding.verdict.value}, {output.finding.reason}"
        for output in report.outputs
        if output.finding.verdict.value not in _RIGHT
    ]
    wrong += [f"{w.witness.value}: {w.failure}" for w in report.witnesses if w.failure]
    verdict = report.verdict.value
    return f"{verdict}: {'; '.join(wrong)}" if wrong else verdict


if __name__ == "__main__":
    sys.exit(main())
