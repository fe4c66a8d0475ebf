"""Converts a live model whose layers have options that its files lose; tells what it computes.

Runs in the environment with qkeras-v3, of which it needs nothing that exporting needs.
"""

import os
import sys
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).parents[2]))

import keras
import numpy as np
from qkeras import (
    QDepthwiseConv2DTranspose,
    QSeparableConv2DTranspose,
    quantized_bits,
    quantized_relu,
)

from qconvert.frontend.live import model_file, save_for_keras

BITS = "quantized_bits(4,0,1,alpha=1)"
SHARED = {"kernel_size": 2, "depthwise_kernel_quantizer": BITS, "bias_quantizer": BITS}


def main(folder: Path) -> None:
    source = keras.Input((3, 3, 2), name="x")
    bounded = quantized_relu(4, 2, relu_upper_bound=1.3, is_quantized_clip=False)
    separable = QSeparableConv2DTranspose(
        3,
        pointwise_kernel_quantizer=BITS,
        depthwise_activation=bounded,
        pointwise_activation="quantized_relu(3,1)",
        name="separable",
        **SHARED,
    )
    depthwise = QDepthwiseConv2DTranspose(
        3, depthwise_activation=quantized_bits(3, 1, alpha=1), name="depthwise", **SHARED
    )
    model = keras.Model(source, depthwise(separable(source)))
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(-1, 1, w.shape) for w in model.get_weights()])
    save_for_keras(model, model_file(model), folder / "live.h5")
    x = random.integers(-64, 65, (5, 3, 3, 2)).astype(np.float32) / 16
    np.savez(folder / "live.npz", x=x, separable=separable(x), depthwise=model(x))


main(Path(sys.argv[1]))
