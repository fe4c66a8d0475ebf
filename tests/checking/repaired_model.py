"""Writes a model with a batch normalization before codes of so many bits to the file given."""

import os
import sys
from pathlib import Path

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import numpy as np
from qkeras import QActivation, QConv2D
from tf_keras import Input, Model
from tf_keras.layers import BatchNormalization


def main(path: Path, bits: int) -> None:
    """Sums next to ties in every channel, or so many codes that some states are."""
    x = image = Input((4, 4, 3), name="x")
    x = QActivation("quantized_bits(6, 1, alpha=1)", name="codes")(x)
    x = QConv2D(8, 2, kernel_quantizer="quantized_bits(4, 0, alpha=1)", name="conv")(x)
    x = BatchNormalization(name="bn")(x)
    x = QActivation(f"quantized_bits({bits}, 3, alpha=1)", name="act")(x)
    model = Model(image, x, name="repaired")
    random = np.random.default_rng(7)
    model.get_layer("conv").set_weights([random.integers(-7, 8, (2, 2, 3, 8)) / 8, np.zeros(8)])
    gamma, (beta, mean) = random.normal(1, 0.3, 8), random.normal(0, 1, (2, 8))
    variance = random.uniform(0.5, 4, 8)
    step = 2.0 ** (4 - bits)
    behind = (np.arange(1, 9) / 8 - mean) / np.sqrt(variance + 1e-3) * gamma
    beta = (np.floor((behind + beta) / step) + 0.5) * step - behind
    model.get_layer("bn").set_weights([gamma, beta, mean, variance])
    model.save(path)


main(Path(sys.argv[1]), int(sys.argv[2]))
