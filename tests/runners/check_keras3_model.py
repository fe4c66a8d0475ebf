"""Checks a live model of QKeras 0.9.0 under Keras 3 with functions in it; prints the verdicts."""

import os

os.environ.update(TF_USE_LEGACY_KERAS="0", KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")

import keras
import numpy as np
from keras import ops
from qkeras import QDense, quantized_relu

import qconvert

if __name__ == "__main__":
    x = keras.Input((4,), name="x")
    y = QDense(3, kernel_quantizer="quantized_bits(4,0)", name="d")(x)
    # The clip is lost in the file.
    clipped = quantized_relu(4, 2, relu_upper_bound=0.75, is_quantized_clip=False)
    z = QDense(2, activation=clipped, kernel_quantizer="quantized_bits(4,0)", name="e")(y)
    model = keras.Model(x, [abs(y) / 2.0, ops.concatenate([y, z * 3.0], axis=1)])
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(rng.integers(-30, 31, variable.shape).astype(np.float32) / 16)
    report = qconvert.check(model, samples=20)
    print(*sorted(f"{x.name}:{'equal' if x.finding.equal else 'differs'}" for x in report.layers))
