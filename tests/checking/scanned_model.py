"""Writes a model of quantizers that no theorem certifies to the file given."""

import os
import sys
from pathlib import Path

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import numpy as np
import tensorflow as tf
from qkeras import (
    QActivation,
    QDense,
    quantized_hswish,
    quantized_po2,
    quantized_relu,
    quantized_sigmoid,
    quantized_tanh,
    quantized_ulaw,
)
from tf_keras import Input, Model

FOUR_BITS = "quantized_bits(4, 0, alpha=1)"


def main(path: Path) -> None:
    """Each reads the sums of a layer of its own; two are inside of these layers."""
    x = image = Input((5,), name="x")
    x = QActivation("quantized_bits(6, 1, alpha=1)", name="codes")(x)
    outputs = [
        QActivation(quantized_tanh(6, use_real_tanh=True), name="tanh")(dense("a", x)),
        QActivation(quantized_sigmoid(4, use_real_sigmoid=True), name="sigmoid")(dense("b", x)),
        QActivation(quantized_po2(4), name="power")(dense("c", x)),
        QActivation(quantized_ulaw(6, 1), name="ulaw")(dense("d", x)),
        QActivation(quantized_hswish(6, 1), name="hswish")(dense("e", x)),
        dense("leaky", x, quantized_relu(4, 1, negative_slope=0.25)),
        dense("sigmoidal", x, quantized_relu(5, 0, use_sigmoid=1)),
        QActivation(quantized_sigmoid(4, use_real_sigmoid=True), name="free")(image),
    ]
    model = Model(image, [dense(f"of_{y.name.split('/')[0]}", y) for y in outputs], name="scanned")
    random = np.random.default_rng(0)
    model.set_weights([random.integers(-7, 8, w.shape) / 8 for w in model.get_weights()])
    model.save(path)


def dense(name: str, x: object, activation: object = None) -> object:
    quantizers = {"kernel_quantizer": FOUR_BITS, "bias_quantizer": FOUR_BITS}
    return QDense(3, activation=activation, name=name, **quantizers)(x)


# Without translating the code of each layer first, which its shapes need not.
tf.autograph.experimental.do_not_convert(main)(Path(sys.argv[1]))
