"""A model of QKeras 0.9.0 under Keras 3, in both of its files: ``build_keras3_model.py FOLDER``."""

import os
import sys
from pathlib import Path

os.environ.update(TF_USE_LEGACY_KERAS="0", KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")

import keras
import numpy as np
from qkeras import QActivation, QConv2D, QDense

QUANTIZERS = {
    "kernel_quantizer": "quantized_bits(4,0)",
    "bias_quantizer": "quantized_bits(6,2,alpha=1)",
}

if __name__ == "__main__":
    model = keras.Sequential(
        [
            keras.Input((6, 7, 3), name="x"),
            QActivation("quantized_bits(6,2,alpha=1)", name="q"),
            QConv2D(4, 3, **QUANTIZERS, name="c"),
            keras.layers.Flatten(name="f"),
            QDense(5, **QUANTIZERS, name="d"),
            keras.layers.Activation("hard_sigmoid", name="hs"),
        ]
    )
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(rng.integers(-30, 31, variable.shape).astype(np.float32) / 16)
    for suffix in ("h5", "keras"):
        model.save(str(Path(sys.argv[1]) / f"model.{suffix}"))
