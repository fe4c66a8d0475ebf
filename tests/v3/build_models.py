"""Builds a model for each row of a table with qkeras-v3, saves it twice, and says what failed.

Run by the other interpreter: ``build_models.py FOLDER``. Weights are multiples of 1/16.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import keras
import numpy as np
from keras import Input, Model, Sequential, layers
from qkeras import (
    QActivation,
    QAdaptiveActivation,
    QAveragePooling2D,
    QBatchNormalization,
    QConv1D,
    QConv2D,
    QConv2DBatchnorm,
    QConv2DTranspose,
    QDense,
    QDenseBatchnorm,
    QDepthwiseConv2D,
    QDepthwiseConv2DBatchnorm,
    QDepthwiseConv2DTranspose,
    QGlobalAveragePooling2D,
    QMobileNetSeparableConv2D,
    QScaleShift,
    QSeparableConv1D,
    QSeparableConv2D,
    QSeparableConv2DTranspose,
    quantized_bits,
    quantized_relu,
)

from tests.v3.called_models import CALLED

IMAGE = (6, 7, 3)
AUTO = "quantized_bits(4,0)"
FIXED = "quantized_bits(4,1,alpha=1)"
BIAS = "quantized_bits(6,2,alpha=1)"
BOTH = {"kernel_quantizer": AUTO, "bias_quantizer": BIAS}
DEPTHWISE = {"depthwise_quantizer": FIXED, "bias_quantizer": BIAS}
SEPARABLE = {"depthwise_quantizer": FIXED, "pointwise_quantizer": AUTO, "bias_quantizer": BIAS}
INPUT = "quantized_bits(6,2,alpha=1)"
HOLES = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0]], np.float32)


def stack(*parts: Any, shape: tuple[int, ...] = IMAGE) -> Any:
    return Sequential([Input(shape, name="x"), QActivation(INPUT, name="q"), *parts])


def nested() -> Any:
    inner = Input((4,), name="xi")
    encoder = Model(inner, QDense(3, **BOTH, name="ed")(inner), name="enc")
    relu = QActivation("quantized_relu(5,2)", name="sa")
    tail = Sequential([Input((3,)), QDense(3, **BOTH, name="sd"), relu], name="tail")
    a, b = Input((4,), name="a"), Input((4,), name="b")
    head = QDense(3, **BOTH, name="head")
    first = tail(head(encoder(a)))
    joined = layers.Concatenate(name="cc")([head(encoder(b)), encoder(a)])
    return Model([a, b], [first, joined, encoder(b)], name="top")


def functions() -> Any:
    a = Input((4,), name="a")
    y = a[:, 1:] * 2.0 + a[:, :3]
    return Model(a, layers.Dense(2, name="d")((1.0 - y) + 0.5), name="top")


def stock() -> Any:
    x = Input(IMAGE, name="x")
    y = layers.Conv2D(4, 3, padding="same", activation="relu", name="c")(x)
    y = layers.Add(name="sum")([y, layers.BatchNormalization(name="bn")(y)])
    y = layers.Dropout(0.3, name="drop")(layers.LeakyReLU(0.5, name="leaky")(y))
    y = layers.Conv2DTranspose(2, 2, strides=2, padding="same", name="ct")(y)
    y = layers.Flatten(name="f")(layers.MaxPooling2D(4, name="max")(layers.ReLU(6.0, name="r")(y)))
    z = layers.Activation("hard_sigmoid", name="hs")(y)
    return Model(x, [z, layers.Dense(2, name="d")(y)], name="top")


def mobile() -> Any:
    x = Input(IMAGE, name="x")
    relu = "quantized_relu(5,3)"
    block = QMobileNetSeparableConv2D(
        5, 3, **SEPARABLE, depthwise_activation=relu, activation=QActivation(relu), name="mb"
    )
    return Model(x, block(QActivation(INPUT, name="q")(x)), name="top")


MODELS: dict[str, Callable[[], Any]] = {
    **CALLED,
    "dense": lambda: stack(
        layers.Flatten(),
        QDense(5, **BOTH, activation="quantized_relu(4,2)"),
        QDense(3, **BOTH, activation="hard_sigmoid"),
    ),
    "conv": lambda: stack(
        QConv2D(4, 3, **BOTH, activation=quantized_relu(6, 3)),
        QDepthwiseConv2D(2, depth_multiplier=2, **DEPTHWISE),
        QActivation("quantized_tanh(6)"),
        layers.Dropout(0.3),
        QAveragePooling2D((2, 1), average_quantizer="quantized_bits(6,0,1,alpha=1)"),
        QActivation("quantized_relu(6,3)"),
    ),
    "mask": lambda: stack(QConv2D(4, 3, **BOTH, mask=HOLES)),
    "average": lambda: stack(
        QGlobalAveragePooling2D(average_quantizer="quantized_bits(6,0,1,alpha=1)", activation=INPUT)
    ),
    "folded": lambda: stack(
        QConv2DBatchnorm(4, 3, **BOTH, activation=INPUT),
        QDepthwiseConv2DBatchnorm(2, **DEPTHWISE, activation=INPUT),
        layers.Flatten(),
        QDenseBatchnorm(3, **BOTH),
    ),
    "normalization": lambda: stack(
        QBatchNormalization(),
        QActivation(INPUT),
        QBatchNormalization(
            gamma_quantizer=None,
            variance_quantizer=None,
            inverse_quantizer="quantized_bits(8,3,1,alpha=1)",
        ),
        QActivation(INPUT),
        QBatchNormalization(scale=False, variance_quantizer=None),
    ),
    "transposed": lambda: stack(
        QConv2DTranspose(4, 3, strides=2, **BOTH, padding="same", activation=INPUT),
        QSeparableConv2DTranspose(
            3,
            (2, 3),
            strides=2,
            depthwise_kernel_quantizer=FIXED,
            pointwise_kernel_quantizer=AUTO,
            bias_quantizer=BIAS,
        ),
    ),
    "depthwise_transposed": lambda: stack(
        QDepthwiseConv2DTranspose(
            3, (2, 3), strides=(2, 2), padding="same", depthwise_kernel_quantizer=AUTO
        ),
    ),
    "grouped_transposed": lambda: stack(
        QDepthwiseConv2DTranspose(3, (2, 3), group_size=3, depthwise_kernel_quantizer=FIXED),
    ),
    "scale_shift": lambda: stack(
        QScaleShift(weight_quantizer=FIXED, bias_quantizer=AUTO, activation=INPUT),
        QScaleShift(use_bias=False),
    ),
    "adaptive": lambda: stack(
        QAdaptiveActivation("quantized_bits", 6, current_step=100, ema_freeze_delay=10)
    ),
    "separable": lambda: stack(
        QSeparableConv2D(4, 3, **SEPARABLE),
        QActivation("hard_sigmoid"),
        QActivation("quantized_po2(4)"),
        QActivation("binary_tanh"),
    ),
    "separable_1d": lambda: stack(
        QSeparableConv1D(4, 3, **SEPARABLE),
        QConv1D(3, 4, kernel_quantizer="binary(alpha=1)"),
        shape=(9, 3),
    ),
    # qkeras-v3 writes the scales to files and does not read them.
    "channel_scales": lambda: stack(
        layers.Flatten(),
        QDense(
            3,
            kernel_quantizer=quantized_bits(4, 0, alpha=np.array([1, 0.5, 4], np.float32)),
            activation="smooth_tanh",
        ),
    ),
    "nested": nested,
    "functions": functions,
    "stock": stock,
    "mobile": mobile,
    # Where QKeras's epsilon matters, automatic scales depend on the round that they are of.
    "tiny": lambda: stack(layers.Flatten(), QDense(64, kernel_quantizer=AUTO)),
    "kernel_ternary": lambda: stack(layers.Flatten(), QDense(4, kernel_quantizer="ternary()")),
    "kernel_binary": lambda: stack(layers.Flatten(), QDense(4, kernel_quantizer="binary()")),
    "kernel_quantized_po2": lambda: stack(
        layers.Flatten(), QDense(4, kernel_quantizer="quantized_po2(4)")
    ),
    "kernel_stochastic_ternary": lambda: stack(
        layers.Flatten(), QDense(4, kernel_quantizer="stochastic_ternary()")
    ),
}


def fill(model: Any, scale: float) -> None:
    """Every float but step counters."""
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if "float" in variable.dtype and variable.name != "variable":
            whole = rng.integers(-30, 31, variable.shape).astype(np.float32)
            values = whole / np.float32(16) * np.float32(scale)
            positive = "variance" in variable.path
            variable.assign(np.abs(values) + np.float32(0.25) if positive else values)


def main(folder: Path) -> None:
    for name, build in MODELS.items():
        keras.utils.clear_session()
        model = build()
        fill(model, 2.0**-23 if name == "tiny" else 1.0)
        for suffix in ("h5", "keras"):
            try:
                model.save(str(folder / f"{name}.{suffix}"))
            except TypeError as error:
                # qkeras-v3 cannot save a QAdaptiveActivation as .h5.
                (folder / f"{name}.{suffix}").unlink(missing_ok=True)
                print(f"{name}.{suffix}: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
