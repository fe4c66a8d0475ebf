"""Writes a model with stock layers that qconvert does not know, in several forms, into a folder."""

import os
import sys
from pathlib import Path

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import numpy as np
from qkeras import QActivation, QDense
from tf_keras import Input, Model
from tf_keras.layers import EinsumDense, Flatten, UnitNormalization

FOUR_BITS = "quantized_bits(4, 0, alpha=1)"


def main(folder: Path) -> None:
    """One opaque layer is exact for inputs on a grid, the other rounds."""
    x = image = Input((4, 6), name="x")
    x = QActivation("quantized_bits(6, 1, alpha=1)", name="codes")(x)
    x = EinsumDense("abc,cd->abd", output_shape=(4, 5), bias_axes="d", name="einsum")(x)
    x = QActivation("quantized_bits(6, 3, alpha=1)", name="act")(x)
    x = UnitNormalization(name="unit")(x)
    x = Flatten(name="flat")(QActivation("quantized_bits(6, 0, alpha=1)", name="late")(x))
    x = QDense(3, kernel_quantizer=FOUR_BITS, bias_quantizer=FOUR_BITS, name="out")(x)
    model = Model(image, x, name="helped")
    random = np.random.default_rng(0)
    model.set_weights([random.integers(-7, 8, w.shape) / 8 for w in model.get_weights()])
    model.save(folder / "model.h5")
    model.save(folder / "saved_model", save_format="tf")


main(Path(sys.argv[1]))
