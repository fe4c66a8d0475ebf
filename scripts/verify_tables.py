"""Compare every table of a real function with QKeras, for all float32 numbers, as it is exported.

For each setting of the quantizers that need a tanh, a sigmoid or a logarithm, and of
`quantized_hswish`: the real QKeras, the reference, and the exported model in ONNX Runtime, on both
sides of every threshold and wherever rounding may decide (docs/PROOFS.md, theorem 8); where these
are very many, on every number. One line for each disagreement; then the exit code is 1. ``--quick``
takes a part of the settings.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import onnx
import qkeras
import tensorflow as tf
from tensorflow.python.ops import array_ops
from tensorflow.python.util import nest

from qconvert.checking.scans.alone import alone
from qconvert.checking.scans.everything import scanned
from qconvert.checking.scans.floats import Program
from qconvert.checking.scans.programs import Programs
from qconvert.checking.scans.thresholds import decided
from qconvert.checking.witness import Witness
from qconvert.emit import to_onnx
from qconvert.frontend.quantizers import quantizer
from qconvert.ir import F32, Graph, Input, Layer, Node, Output, Quantizer
from qconvert.ir.ops import Quantize
from qconvert.numerics import quantize_body

Options: TypeAlias = Mapping[str, Any]


class Setting(NamedTuple):
    """A quantizer by its class and options."""

    name: str
    options: Options

    def __str__(self) -> str:
        options = ", ".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}({options})"


def settings(*, quick: bool) -> Iterator[Setting]:
    """Every class with every option that its function or its table depends on."""
    bits = (4, 12) if quick else range(1, 17)
    for each, symmetric in product(bits, (False, True)):
        yield Setting("quantized_tanh", _options(each, symmetric, use_real_tanh=True))
        yield Setting("quantized_sigmoid", _options(each, symmetric, use_real_sigmoid=True))
    companded = product((4,) if quick else (2, 3, 4, 8, 12, 16), (0, 2), (255.0, 10.0))
    for each, integer, u in companded:
        yield Setting("quantized_ulaw", {"bits": each, "integer": integer, "u": u})
    powers = product(
        (4,) if quick else (2, 3, 4, 5, 8),
        (None, 0.7) if quick else (None, 0.7, 1.0, 3.0, 2048.0),
        ("rnd", "floor"),
        (False, True),
    )
    for each, most, rounding, quadratic in powers:
        shared = {"max_value": most, "log2_rounding": rounding}
        options = {"bits": each, **shared, "quadratic_approximation": quadratic}
        yield Setting("quantized_po2", options)
        for slope in (0.0, 0.25):
            yield Setting("quantized_relu_po2", {**options, "negative_slope": slope})
    for each, integer in product((4,) if quick else (4, 8, 12, 16), (0, 2)):
        yield Setting("quantized_hswish", {"bits": each, "integer": integer})


def _options(bits: int, symmetric: bool, **real: bool) -> Options:
    return {"bits": bits, "symmetric": symmetric, **real}


def theirs(setting: Setting) -> Program:
    """The real quantizer, inside a long tensor: TensorFlow computes the last elements otherwise."""
    real = getattr(qkeras, setting.name)(**setting.options)

    def call(x: F32) -> F32:
        padded = np.append(x, np.ones(-x.size % 64, np.float32))
        result: F32 = real(tf.constant(padded)).numpy()
        return result[: x.size]

    return call


def reference(setting: Setting) -> Quantizer:
    """What the frontend makes of it."""
    known = quantizer({"class_name": setting.name, "config": dict(setting.options)}, "other")
    assert known is not None
    return known


def exported(known: Quantizer) -> onnx.ModelProto:
    """The exported model."""
    shape = (None, 1)
    node, layer = Node("y", Quantize(known), ("x",), shape), Layer("y", "QActivation", "y")
    graph = Graph("table", (Input("x", shape),), (node,), (Output("y", "y"),), (layer,))
    return to_onnx(graph)


def differences(setting: Setting) -> Iterator[str]:
    """Where the three disagree, in words."""
    known = reference(setting)
    lone = alone(exported(known), "y", known)
    real = theirs(setting)
    body: dict[Witness, Program] = {
        Witness.TENSORFLOW: real,
        Witness.NUMPY: lambda x: quantize_body(known, x),
        Witness.DEPLOYED: lone.programs()[1],
    }
    programs = Programs(body, real, lone.thresholds)
    found = decided(known, programs, tail=False)
    if found.unknown:
        found = scanned(programs)
    if found.different:
        x = found.different.some(1)
        told = ", ".join(f"{who.value} has {program(x)[0]!r}" for who, program in body.items())
        yield f"{setting}: {found.different.count} numbers differ; at {x[0]!r} {told}"


def main() -> int:
    """Compare all and print what differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a part of the settings")
    quick = parser.parse_args().quick
    # What QKeras 0.9.0 uses of TensorFlow and TensorFlow no longer has.
    array_ops.stack, array_ops.unstack = tf.stack, tf.unstack
    nest.is_sequence = nest.is_nested
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    tried = list(settings(quick=quick))
    found = 0
    for setting in tried:
        for line in differences(setting):
            print(line, flush=True)
            found += 1
    print(f"{len(tried)} settings, {found} differ")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
