"""Check every supported layer, quantizer and option, and write what was found as a table.

All cases of ``support/`` become layers of one model, which `qconvert.check` compares with the real
QKeras. Writes ``docs/SUPPORT.md``; with ``--check`` only compares it. Exits 1 if a case fails, if
a class or an option that can be converted has no case, or if the table is not what was found.
"""

import argparse
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import array_ops
from tensorflow.python.util import nest

import qconvert
from qconvert.checking import CheckedFile, Report, Subject, assemble, examine
from qconvert.checking.inputs import Batch, from_user
from qconvert.checking.results import Finding
from qconvert.emit import to_onnx
from qconvert.runners.tf import Disagreement, TensorFlowRunner
from scripts.support.building import Built, Case, activations, layers, model_of, weights
from scripts.support.coverage import missing, reason_of
from scripts.support.elsewhere import (
    LAYERS_ELSEWHERE,
    OPTIONS_ELSEWHERE,
    QUANTIZERS_ELSEWHERE,
    REFUSALS,
)
from scripts.support.families import Options

TABLE: Final = Path(__file__).resolve().parents[1] / "docs" / "SUPPORT.md"
#: From strong to weak.
_VERDICTS: Final = ("PROVEN", "BOUNDED", "SAMPLED", "UNCHECKED", "DIFFERS")
HEADER: Final = """# What is supported, and how well it is checked

Written by `scripts/support_table.py`, which builds every case below with QKeras 0.9.0 and checks
it with TensorFlow, ONNX Runtime and NumPy, on a batch of one sample and one of seven. PROVEN: they
agree for all inputs (PROOFS.md). BOUNDED: within a derived distance for all inputs; where the
reason begins with *rounding*, results were seen to differ by it. SAMPLED: all three returned the
same bits, and nothing is known of other inputs.

Inputs of layers are on the grid of `quantized_bits(8, 3)`; where a row says *one channel, floats*,
nobody quantized them: both zeros, ties and numbers behind the ends of every grid are among them.
Those of quantizers go to 300 (beyond 2**24 steps QKeras's own `x + (q(x) - x)` is no longer the
quantized number, which an integer kernel does not imitate), and down to the smallest numbers.

`quantized_tanh` and `quantized_sigmoid` with
`use_real_tanh` or `use_real_sigmoid` are tables of TensorFlow's own results up to 16 bits; of more
bits they compute with the runtime's function, and are BOUNDED. `scripts/verify_tables.py` compares
all tables with QKeras, for all float32 numbers. Quantizers are PROVEN by verified thresholds where
no theorem certifies them, and more of them with `--scan` (PROOFS.md).
"""


class _EagerTensorFlow(TensorFlowRunner):
    """Without graph mode, of which the table tells nothing and which takes a third of the time."""

    def predict_differences(self, inputs: Batch) -> dict[str, Disagreement]:
        return {}


def checked(built: Built) -> Report:
    """The report of a whole check."""
    with tempfile.TemporaryDirectory(prefix="qconvert-support-") as folder:
        path = Path(folder) / "model.h5"
        built.model.save(path)
        graph, file = qconvert.load(path), CheckedFile(None, "")
        with _EagerTensorFlow(path) as tensorflow:
            panel = assemble(graph, to_onnx(graph), tensorflow)
            return examine(Subject(graph, file, file), panel, from_user(graph, built.inputs))


def table(title: str, cases: list[Case], found: Mapping[str, Finding]) -> Iterator[str]:
    """The rows of some cases as Markdown."""
    yield f"\n## {title}\n"
    yield "| class | options | verdict | why not proven |"
    yield "|---|---|---|---|"
    for case in cases:
        finding = found[case.name]
        reason = "" if finding.verdict.value == "PROVEN" else finding.reason or _kind(finding.doubt)
        told = ", ".join(filter(None, [_text(case.options), case.note]))
        place = " behind Masking" if case.family.masked else ""
        yield f"| {case.family.class_name}{place} | {told} | {finding.verdict.value} | {reason} |"


def _kind(doubt: str) -> str:
    """Without the numbers, which depend on the C library."""
    return doubt.partition(" (")[0]


def _text(options: Options) -> str:
    """Options as arguments; what is no argument of a layer but a call stands for itself."""
    text = ", ".join(k if v is None and " " in k else f"{k}={v!r}" for k, v in options.items())
    return f"`{text}`" if text else ""


def elsewhere() -> Iterator[str]:
    """The rows of what QKeras 0.9.0 does not build."""
    yield "\n## Of other versions and packages\n"
    yield "| class | option | where it is checked |"
    yield "|---|---|---|"
    yield from (f"| {name} |  | {where} |" for name, where in LAYERS_ELSEWHERE.items())
    yield "| keras.ops |  | functions of Keras 3 in a functional model, in tests/v3 |"
    options = {**OPTIONS_ELSEWHERE, **QUANTIZERS_ELSEWHERE}
    for (name, option), where in options.items():
        yield f"| {name} | {'' if option == '*' else f'`{option}`'} | {where} |"


def refused() -> Iterator[str]:
    """The rows of what no model can be exported with."""
    yield "\n## Refused quantizers\n"
    yield "| quantizer | on | why |"
    yield "|---|---|---|"
    for refusal in REFUSALS:
        place = "a weight" if refusal.weight else "an activation"
        yield f"| `{refusal.text}` | {place} | {reason_of(refusal)} |"


def findings(report: Report, cases: list[Case]) -> dict[str, Finding]:
    """By case, the weakest of its results'."""
    found: dict[str, Finding] = {}
    for case in cases:
        own = [r.finding for r in report.layers if r.name.partition(":")[0] == case.name]
        found[case.name] = max(own, key=lambda each: _VERDICTS.index(each.verdict.value))
    return found


def main() -> int:
    """Write or compare the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the table only")
    compare_only = parser.parse_args().check
    # What QKeras 0.9.0 uses of TensorFlow and TensorFlow no longer has.
    array_ops.stack, array_ops.unstack = tf.stack, tf.unstack
    nest.is_sequence = nest.is_nested
    # Keras says much about files and initializers.
    warnings.simplefilter("ignore")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    np.seterr(all="ignore")
    parts = {
        "Layers": list(layers()),
        "Quantizers of activations": list(activations()),
        "Quantizers of weights": list(weights()),
    }
    cases = [case for part in parts.values() for case in part]
    report = checked(model_of(cases))
    found = findings(report, cases)
    rows = (row for title, part in parts.items() for row in table(title, part, found))
    text = "\n".join([HEADER.rstrip(), *rows, *refused(), *elsewhere()]) + "\n"
    problems = [*missing(), *(f"{c}: {f.reason}" for c, f in found.items() if _fails(f))]
    problems += [f"{one.text} is not refused" for one in REFUSALS if reason_of(one) is None]
    problems += [] if report.passed else [f"the check ends with {report.verdict.value}"]
    if not compare_only:
        TABLE.write_text(text, encoding="utf-8")
    elif TABLE.read_text(encoding="utf-8") != text:
        problems.append(f"{TABLE.name} is not what was found; run scripts/support_table.py")
    print("\n".join([*problems, f"{len(cases)} cases"]))
    return int(bool(problems))


def _fails(finding: Finding) -> bool:
    return finding.verdict.value not in _VERDICTS[:3]


if __name__ == "__main__":
    sys.exit(main())
