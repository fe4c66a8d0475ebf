"""Writes the QKeras models that the mutants are checked on into the folder given.

All scales, statistics and inputs are powers of two or multiples of such, so that every correct
program returns the same bits, and a difference is never a matter of rounding; but for the
normalizations that become parts of integer kernels, of which codes alone are seen. Names of layers
say which bug they make visible; shapes are odd and axes of different length.
"""

import os
import sys
from pathlib import Path

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import h5py
import numpy as np
import tensorflow as tf
from tensorflow.python.ops import array_ops
from tensorflow.python.util import nest
from tf_keras import Model

from scripts.mutation.image_models import (
    convolutions,
    joins,
    pools,
    requantized,
    sums,
    ties,
    windows,
)
from scripts.mutation.options import EPSILON
from scripts.mutation.series_models import linear, quantizers, sequences, stairs


def fill(model: Model) -> None:
    """Give every weight multiples of 1/64, and statistics of which the square root is exact."""
    random = np.random.default_rng(7)
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(_values(weight.name, tuple(weight.shape), random))


def _values(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    last = np.arange(shape[-1] if shape else 1)
    if name.startswith("gains"):
        positive = random.uniform(0.4, 2.1, shape)
        return positive * (-1.0) ** last if "gamma" in name else positive
    if "variance" in name:
        return 4.0 ** (last % 3 - 1) - EPSILON
    if "gamma" in name:
        return 2.0 ** (last % 2) * (-1.0) ** (last // 2)
    if "mask" in name:
        return random.integers(0, 2, shape)
    if "threshold" in name:
        return np.zeros(shape)
    # 0, ties and values beyond every grid are among these.
    values = random.integers(-80, 81, shape) / 64
    values.flat[:4] = 0, 0.5, -0.5, 1.25
    if "kernel" not in name:
        return values
    # Automatic scales of channels that no single grid of 8 bits holds.
    return values / (4.0 ** (last % 4) if "strided" in name else 2.0 ** (last % 3))


def save(model: Model, path: Path) -> None:
    """Write the model; where QKeras has set an automatic scale, as a text that has none.

    So a file looks that was not written by a layer: the reader has to know the rule.
    """
    model.save(path, include_optimizer=False)
    with h5py.File(path, "r+") as file:
        text = str(file.attrs["model_config"])
        file.attrs["model_config"] = text.replace('"auto_po2"', "null")


if __name__ == "__main__":
    # What QKeras 0.9.0 uses of TensorFlow and TensorFlow no longer has.
    array_ops.stack, array_ops.unstack = tf.stack, tf.unstack
    nest.is_sequence = nest.is_nested
    # Without translating the code of each layer first, which takes longer than all the rest.
    as_it_is = tf.autograph.experimental.do_not_convert
    for build in (
        convolutions,
        linear,
        quantizers,
        sequences,
        requantized,
        sums,
        windows,
        joins,
        pools,
        ties,
        stairs,
    ):
        made = as_it_is(build)()
        fill(made)
        save(made, Path(sys.argv[1]) / f"{made.name}.h5")
