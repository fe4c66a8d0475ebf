"""Compare every table of a real function with QKeras, number by number, and what is exported of it.

For each setting of the quantizers that need a tanh, a sigmoid or a logarithm, and of
`quantized_hswish`: all codes of 16 bits and more, at every exponent, through the real QKeras, the
reference, and the exported model in ONNX Runtime; and so all neighbours of the numbers where a
logarithm is next to a tie. One line for each disagreement; then the exit code is 1. ``--quick``
takes a part of the settings and exponents.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import onnxruntime
import qkeras
import tensorflow as tf
from tensorflow.python.ops import array_ops
from tensorflow.python.util import nest

from qconvert.emit import to_onnx
from qconvert.frontend.quantizers import quantizer
from qconvert.ir import F32, Graph, Input, Layer, Node, Output, Quantizer
from qconvert.ir.ops import Quantize
from qconvert.numerics import quantize_inside

Options: TypeAlias = Mapping[str, Any]
Function: TypeAlias = Callable[[F32], F32]
#: More than 16 bits with either sign. TensorFlow computes the last elements of a tensor otherwise,
#: unless there is a whole number of vectors, as here.
CODES: Final = np.arange(-32768, 65536).astype(np.float32)
EXPONENTS: Final = range(-15, 4)
#: As many float32 numbers on either side of a tie of a logarithm.
NEIGHBOURS: Final = 1024
_LOGARITHMIC: Final = ("quantized_po2", "quantized_relu_po2")


class Setting(NamedTuple):
    """A quantizer by its class and options."""

    name: str
    options: Options

    def __str__(self) -> str:
        options = ", ".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}({options})"


def settings(*, quick: bool) -> Iterator[Setting]:
    """Every class with every option that its function or its table depends on."""
    bits = (4, 16) if quick else range(1, 17)
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


def grids(*, quick: bool) -> Iterator[F32]:
    """All codes, at every exponent."""
    for exponent in (-12, 0) if quick else EXPONENTS:
        yield CODES * np.float32(2.0**exponent)


def near_ties() -> F32:
    """The neighbours of all half powers of two, where a logarithm is next to a tie, and of 1e-7."""
    middle = np.append(np.exp2(np.arange(-24.0, 24.0, 0.5)), 1e-7).astype(np.float32)
    around = np.arange(-NEIGHBOURS, NEIGHBOURS, dtype=np.int32)
    positive = (middle.view(np.int32)[:, None] + around).view(np.float32).ravel()
    return np.concatenate([positive, -positive])


def theirs(setting: Setting) -> Function:
    """The real quantizer."""
    real = getattr(qkeras, setting.name)(**setting.options)

    def call(x: F32) -> F32:
        result: F32 = real(tf.constant(x)).numpy()
        return result

    return call


def reference(setting: Setting) -> Quantizer:
    """What the frontend makes of it."""
    known = quantizer({"class_name": setting.name, "config": dict(setting.options)}, "other")
    assert known is not None
    return known


def exported(known: Quantizer) -> Function:
    """The exported model in ONNX Runtime."""
    shape = (None, 1)
    node, layer = Node("y", Quantize(known), ("x",), shape), Layer("y", "QActivation", "y")
    graph = Graph("table", (Input("x", shape),), (node,), (Output("y", "y"),), (layer,))
    session = onnxruntime.InferenceSession(to_onnx(graph).SerializeToString())

    def run(x: F32) -> F32:
        result: F32 = session.run(None, {"x": x.reshape(-1, 1)})[0].ravel()
        return result

    return run


def differences(setting: Setting, *, quick: bool) -> Iterator[str]:
    """Where the three disagree, in words."""
    known = reference(setting)
    real, deployed = theirs(setting), exported(known)
    ties = [near_ties()] if setting.name in _LOGARITHMIC else []
    for x in (*grids(quick=quick), *ties):
        y = quantize_inside(known, x)
        yield from _told(setting, "QKeras", x, real(x), y)
        yield from _told(setting, "ONNX Runtime", x, deployed(x), y)


def _told(setting: Setting, who: str, x: F32, found: F32, y: F32) -> Iterator[str]:
    wrong = np.flatnonzero(~((found == y) | (np.isnan(found) & np.isnan(y))))
    if wrong.size:
        at = wrong[0]
        values = f"{who} has {found[at]!r}, the reference {y[at]!r}"
        yield f"{setting}: {wrong.size} of {x.size} differ; at {x[at]!r} {values}"


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
        for line in differences(setting, quick=quick):
            print(line, flush=True)
            found += 1
    print(f"{len(tried)} settings, {found} differ")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
