"""Check every supported layer, quantizer and option, and write what was found as a table.

All cases of ``support/`` become layers of one model, which `qconvert.check` compares with the real
QKeras. Writes ``docs/SUPPORT.md``; with ``--check`` only compares it. Exits 1 if a case fails, if
a class that can be converted has no case, or if the table is not what was found.
"""

import argparse
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import qkeras
import tensorflow as tf
import tf_keras
from tensorflow.python.ops import array_ops
from tensorflow.python.util import nest

import qconvert
from qconvert.checking import Report
from qconvert.checking.results import Finding
from qconvert.frontend.layers import LAYERS
from scripts.support.layers import FAMILIES, WIDE, Family, Inner, Options, Shape
from scripts.support.quantizers import ACTIVATIONS, WEIGHTS

#: Keras's layers and tensors have no types.
Keras: TypeAlias = Any
TABLE: Final = Path(__file__).resolve().parents[1] / "docs" / "SUPPORT.md"
#: A batch of one and one of seven.
SAMPLES: Final = 8
#: Converted, and without a constructor in QKeras 0.9.0 or Keras.
ELSEWHERE: Final[Mapping[str, str]] = {
    "Embedding": "inputs are whole numbers; with `mask_zero`",
    "FQConv2D": "fkeras; as QConv2D, without injected faults",
    "FQDense": "fkeras; as QDense, without injected faults",
    "PruneLowMagnitude": "tensorflow_model_optimization; as the layer that it wraps",
    "MultiHeadAttention": "query, value and key as tensors",
    "QActivation": "see the quantizers",
    "QAdaptiveActivation": "with the range that training left in the file",
    "QDenseBatchnorm": "later QKeras",
    "QDepthwiseConv2DTranspose": "later QKeras",
    "QScaleShift": "later QKeras",
    "QSeparableConv2DTranspose": "later QKeras",
    "Recurrent layers with `stateful`": "their states are inputs and outputs of the ONNX model",
    "SlicingOpLambda": "``x[...]`` of a tensor in a functional model",
    "TFOpLambda": "a function of TensorFlow in a functional model",
    "keras.ops": "functions of Keras 3 in a functional model",
}
HEADER: Final = """# What is supported, and how well it is checked

Written by `scripts/support_table.py`, which builds every case below with QKeras 0.9.0 and checks
it with TensorFlow, ONNX Runtime and NumPy. SAMPLED: all three returned the same bits.
BOUNDED: results may differ by float32 rounding, for the reason given. Inputs are on the grid of
`quantized_bits(8, 3)`.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One layer of the model, and the row that it stands for."""

    name: str
    family: Family
    options: Options
    layer: Keras


def cases_of_layers() -> Iterator[Case]:
    """Layers, by the table's arguments."""
    for number, (family, options) in enumerate((f, o) for f in FAMILIES for o in f.cases):
        name = f"layer_{number}"
        layer = made(Inner(family.class_name, {**family.shared, **options}), name)
        yield Case(name, family, options, layer)


def made(layer: Inner, name: str | None = None) -> Keras:
    """A layer by its arguments, which may be layers themselves."""
    built = getattr(qkeras, layer.class_name, None) or getattr(tf_keras.layers, layer.class_name)
    options = {
        key: made(value) if isinstance(value, Inner) else value
        for key, value in layer.options.items()
    }
    return built(**options, **({} if name is None else {"name": name}))


def cases_of_activations() -> Iterator[Case]:
    """Quantizers of tensors."""
    for number, (family, options) in enumerate((f, o) for f in ACTIVATIONS for o in f.cases):
        name = f"activation_{number}"
        quantizer = getattr(qkeras, family.class_name)(**options)
        yield Case(name, family, options, qkeras.QActivation(quantizer, name=name))


def cases_of_weights() -> Iterator[Case]:
    """Quantizers of kernels."""
    for number, (family, options) in enumerate((f, o) for f in WEIGHTS for o in f.cases):
        name = f"weight_{number}"
        quantizer = getattr(qkeras, family.class_name)(**options)
        layer = qkeras.QDense(5, kernel_quantizer=quantizer, use_bias=False, name=name)
        yield Case(name, family, options, layer)


def model_of(cases: list[Case]) -> Keras:
    """All cases side by side, behind inputs on a grid."""
    inputs: dict[tuple[Shape, int], Keras] = {}
    quantized: dict[tuple[Shape, int], Keras] = {}
    outputs = []
    for case in cases:
        keys = [(shape, place) for place, shape in enumerate(case.family.shapes)]
        for key in keys:
            if key not in inputs:
                inputs[key] = tf_keras.Input(key[0])
                quantized[key] = qkeras.QActivation(WIDE)(inputs[key])
        tensors = [quantized[key] for key in keys]
        if case.family.masked:
            tensors = [tf_keras.layers.Masking()(tensor) for tensor in tensors]
        outputs.append(case.layer(tensors if len(tensors) > 1 else tensors[0]))
    model = tf_keras.Model(list(inputs.values()), outputs)
    random = np.random.default_rng(0)
    for variable in model.weights:
        if "float" in variable.dtype.name:
            low, high = (0.25, 2) if "variance" in variable.name else (-1.25, 1.25)
            # On a grid, so that sums can be exact, and with ties for what has four bits.
            numbers = np.rint(random.uniform(low, high, variable.shape) * 32) / 32
            variable.assign(numbers)
    return model


def checked(model: Keras) -> Report:
    """The report of a whole check."""
    with tempfile.TemporaryDirectory(prefix="qconvert-support-") as folder:
        path = Path(folder) / "model.h5"
        model.save(path)
        return qconvert.check(path, samples=SAMPLES)


def table(title: str, cases: list[Case], found: Mapping[str, Finding]) -> Iterator[str]:
    """The rows of some cases as Markdown."""
    yield f"\n## {title}\n"
    yield "| class | options | verdict | why not bit for bit |"
    yield "|---|---|---|---|"
    for case in cases:
        finding = found[case.name]
        options = ", ".join(f"{key}={value!r}" for key, value in case.options.items())
        reason = finding.reason if finding.verdict.value == "BOUNDED" else ""
        place = " behind Masking" if case.family.masked else ""
        yield (
            f"| {case.family.class_name}{place} | {f'`{options}`' if options else ''} "
            f"| {finding.verdict.value} | {reason} |"
        )


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
    parts = {
        "Layers": list(cases_of_layers()),
        "Quantizers of activations": list(cases_of_activations()),
        "Quantizers of weights": list(cases_of_weights()),
    }
    report = checked(model_of([case for cases in parts.values() for case in cases]))
    found = {layer.name: layer.finding for layer in report.layers}
    lines = [HEADER, *(row for title, cases in parts.items() for row in table(title, cases, found))]
    lines += ["\n## Also read\n", *(f"- {name}: {text}" for name, text in ELSEWHERE.items())]
    text = "\n".join(lines) + "\n"
    problems = [*missing(), *(f"{c}: {f.reason}" for c, f in found.items() if _fails(f))]
    problems += [] if report.passed else [f"the check ends with {report.verdict.value}"]
    if not compare_only:
        TABLE.write_text(text, encoding="utf-8")
    elif TABLE.read_text(encoding="utf-8") != text:
        problems.append(f"{TABLE.name} is not what was found; run scripts/support_table.py")
    print("\n".join([*problems, f"{sum(map(len, parts.values()))} cases"]))
    return int(bool(problems))


def missing() -> list[str]:
    """Classes that can be converted and have no case."""
    known = {family.class_name for family in FAMILIES} | ELSEWHERE.keys()
    own = {name for name in LAYERS if not name.startswith("keras.ops.")}
    return [f"{name} has no case" for name in sorted(own - known)]


def _fails(finding: Finding) -> bool:
    return finding.verdict.value not in ("PROVEN", "SAMPLED", "BOUNDED")


if __name__ == "__main__":
    sys.exit(main())
