"""Write QKeras models of the usual kinds of networks into a folder, one ``NAME.h5`` each.

Their weights are random, of few bits, without scales of their own (``alpha=1``), as wide as those
of trained networks; statistics of batch normalizations are those of their inputs, so that
activations use their range. Inputs are pixels
or features in [0, 1) or (-8, 8), which a quantizer of 8 bits reads first. The same weights are
written each time. Names as arguments choose some models.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import qkeras
import tensorflow as tf
import tf_keras
from tensorflow.python.ops import array_ops
from tf_keras import Input, Model
from tf_keras import layers as stock

from scripts.benched.layers import (
    EIGHT_BITS,
    FEATURES,
    FOUR_BITS,
    PIXELS,
    bits_of,
    classified,
    depthwise,
    normalized,
    plain_conv,
    plain_dense,
    signed,
    through,
)
from scripts.benched.uncommon import (
    averaging_cnn,
    dense_of_floats,
    grouped_cnn,
    inception,
    lenet,
    multiplier_cnn,
    narrow_depthwise_net,
    odd_cnn,
)
from scripts.examples.example import Keras, act, chain, conv, dense

#: What two branches of a sum have in common.
BRANCH: Final = "quantized_bits(8,3,alpha=1)"
_CALIBRATION: Final = 16


def jet_tagger() -> Keras:
    """The jet classifier of hls4ml: three dense layers of 6 bits and a softmax."""
    layers: list[Keras] = [act(FEATURES)]
    for units in (64, 32, 32):
        layers += [_six_bits(units), act("quantized_relu(6,2)")]
    return chain((16,), *layers, _six_bits(5), stock.Activation("softmax", name="softmax"))


def plain_cnn() -> Keras:
    """Three convolutions and two dense layers of 4 bits, without normalization."""
    layers: list[Keras] = [act(PIXELS)]
    for filters, integer in ((32, 2), (64, 4), (128, 6)):
        convolution = conv(filters, 3, padding="same", **bits_of(4))
        layers += [convolution, act(f"quantized_relu(4,{integer})"), stock.MaxPooling2D()]
    last = (dense(80, **bits_of(4)), act("quantized_relu(4,9)"), dense(10, **bits_of(4)))
    return chain((32, 32, 3), *layers, stock.Flatten(), *last)


def mnist_cnn() -> Keras:
    """Two convolutions and two dense layers of 4 bits, normalized."""
    layers: list[Keras] = [act(PIXELS)]
    for filters in (16, 32):
        layers += [*normalized(plain_conv(filters, 3)), act(FOUR_BITS), stock.MaxPooling2D()]
    layers += [stock.Flatten(), *normalized(plain_dense(64)), act(FOUR_BITS)]
    return chain((28, 28, 1), *layers, dense(10, **bits_of(4)))


def resnet8() -> Keras:
    """The image classifier of MLPerf Tiny, of 4 bits; branches of sums have 8."""
    source = Input((32, 32, 3), name="input")
    x = through(source, act(PIXELS), *normalized(plain_conv(16, 3)), act(FOUR_BITS))
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        y = through(x, *normalized(plain_conv(filters, 3, strides)), act(FOUR_BITS))
        y = through(y, *normalized(plain_conv(filters, 3)), act(BRANCH))
        if strides > 1:
            x = through(x, *normalized(plain_conv(filters, 1, strides)), act(BRANCH))
        x = through(stock.Add()([x, y]), act(FOUR_BITS))
    return Model(source, classified(x, 10))


def mobilenet() -> Keras:
    """Depthwise separable convolutions as in MobileNet, with kernels of 4 bits."""
    source = Input((64, 64, 3), name="input")
    x = through(source, act(PIXELS), *normalized(plain_conv(16, 3, 2)), act(FOUR_BITS))
    for filters, strides in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        x = through(x, *normalized(depthwise(3, strides)), act(FOUR_BITS))
        x = through(x, *normalized(plain_conv(filters, 1)), act(FOUR_BITS))
    return Model(source, classified(x, 10))


def keyword_spotting() -> Keras:
    """One-dimensional convolutions over 98 frames of 40 features, of 4 bits."""
    layers: list[Keras] = [act(FEATURES)]
    for filters, size in ((64, 9), (64, 5), (128, 3)):
        convolution = qkeras.QConv1D(
            filters, size, padding="same", kernel_quantizer=signed(4), use_bias=False
        )
        layers += [*normalized(convolution), act(FOUR_BITS), stock.MaxPooling1D()]
    layers += [stock.Flatten(), *normalized(plain_dense(64)), act(FOUR_BITS)]
    return chain((98, 40), *layers, dense(12, **bits_of(4)))


def autoencoder() -> Keras:
    """The anomaly detector of MLPerf Tiny: dense layers of 8 bits around a neck of 8 units."""
    layers: list[Keras] = [act(FEATURES)]
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        layers += [*normalized(plain_dense(units, 8)), act(EIGHT_BITS)]
    return chain((640,), *layers, dense(640, **bits_of(8)))


def unet() -> Keras:
    """A segmenter of 4 bits, of transposed convolutions and concatenated branches."""
    source = Input((64, 64, 3), name="input")
    x, kept = through(source, act(PIXELS)), []
    for filters in (16, 32):
        x = _twice(x, filters)
        kept.append(x)
        x = stock.MaxPooling2D()(x)
    x = _twice(x, 64)
    for filters in (32, 16):
        transposed = qkeras.QConv2DTranspose(
            filters, 2, strides=2, kernel_quantizer=signed(4), use_bias=False
        )
        x = through(x, *normalized(transposed), act(FOUR_BITS))
        x = _twice(stock.Concatenate()([x, kept.pop()]), filters)
    return Model(source, conv(1, 1, **bits_of(4))(x))


def wide_cnn() -> Keras:
    """256 channels and 8 bits throughout, without normalization."""
    layers: list[Keras] = [act(PIXELS)]
    for _ in range(4):
        layers += [conv(256, 3, padding="same", **bits_of(8)), act(EIGHT_BITS)]
    source = Input((16, 16, 64), name="input")
    return Model(source, classified(through(source, *layers), 10))


def wide_normalized_cnn() -> Keras:
    """256 channels and 8 bits throughout, normalized."""
    layers: list[Keras] = [act(PIXELS)]
    for _ in range(4):
        convolution = plain_conv(256, 3, kernel_quantizer=signed(8))
        layers += [*normalized(convolution), act(EIGHT_BITS)]
    source = Input((16, 16, 64), name="input")
    return Model(source, classified(through(source, *layers), 10))


ARCHITECTURES: Final[Sequence[Callable[[], Keras]]] = (
    jet_tagger,
    plain_cnn,
    mnist_cnn,
    resnet8,
    mobilenet,
    keyword_spotting,
    autoencoder,
    unet,
    wide_cnn,
    wide_normalized_cnn,
    grouped_cnn,
    multiplier_cnn,
    narrow_depthwise_net,
    odd_cnn,
    inception,
    lenet,
    averaging_cnn,
    dense_of_floats,
)


def write(build: Callable[[], Keras], path: Path, seed: int = 0) -> None:
    """Save the model with weights and statistics of *seed*."""
    tf_keras.backend.clear_session()
    model, random = build(), np.random.default_rng(seed)
    for layer in model.layers:
        for variable in layer.trainable_weights:
            shape = tuple(variable.shape)
            variable.assign(_drawn(random, variable.name, shape, _step(layer)))
    _calibrate(model, random)
    model.save(path, include_optimizer=False)


def samples(shape: Sequence[int], count: int, random: np.random.Generator) -> Keras:
    """Inputs that a quantizer of `PIXELS` or `FEATURES` can tell apart: pixels have 3 axes."""
    pixels = len(shape) == 3
    low, high = (0, 1) if pixels else (-8, 8)
    return random.uniform(low, high, (count, *shape)).astype(np.float32)


def _calibrate(model: Keras, random: np.random.Generator) -> None:
    """Give the normalizations the statistics of a batch, in one pass."""
    normalizations = [x for x in model.layers if isinstance(x, stock.BatchNormalization)]
    usual = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 0.0
    model(samples(model.input_shape[1:], _CALIBRATION, random), training=True)
    for layer, momentum in zip(normalizations, usual, strict=True):
        layer.momentum = momentum


def _step(layer: Keras) -> float:
    """The distance of a layer's weights."""
    quantizers = [q for q in getattr(layer, "quantizers", ()) if q is not None]
    return 2.0 ** (1 - quantizers[0].bits) if quantizers else 0.0


def _drawn(random: np.random.Generator, name: str, shape: tuple[int, ...], step: float) -> Keras:
    if name.endswith("gamma:0"):
        return random.uniform(0.5, 1.5, shape)
    if len(shape) < 2:
        return random.normal(0, 0.25, shape)
    # So wide that few bits show something of it, also where the sums are long.
    return random.normal(0, max(1.5 * step, np.sqrt(2 / np.prod(shape[:-1]))), shape)


def _six_bits(units: int) -> Keras:
    return dense(units, **bits_of(6))


def _twice(x: Keras, filters: int) -> Keras:
    for _ in range(2):
        x = through(x, *normalized(plain_conv(filters, 3)), act(FOUR_BITS))
    return x


def main() -> None:
    """Write the models."""
    # What QKeras 0.9.0 uses of TensorFlow and TensorFlow no longer has.
    array_ops.stack, array_ops.unstack = tf.stack, tf.unstack
    known = {build.__name__: build for build in ARCHITECTURES}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", choices=[*known, []], metavar="NAME")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.names or known:
        path = options.folder / f"{name}.h5"
        write(known[name], path)
        print(f"{path}: {path.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
