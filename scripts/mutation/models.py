"""Writes the QKeras models that the mutants are checked on into the folder given.

All scales, statistics and inputs are powers of two or multiples of such, so that every correct
program returns the same bits, and a difference is never a matter of rounding; but for the
normalizations that become parts of integer kernels, of which codes alone are seen. Names of layers
say which bug they make visible; shapes are odd and axes of different length.
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import h5py
import numpy as np
import tensorflow as tf
from qkeras import (
    QGRU,
    QLSTM,
    QActivation,
    QAveragePooling2D,
    QBatchNormalization,
    QBidirectional,
    QConv1D,
    QConv2D,
    QConv2DBatchnorm,
    QConv2DTranspose,
    QDense,
    QDepthwiseConv2D,
    QDepthwiseConv2DBatchnorm,
    QGlobalAveragePooling2D,
    QSeparableConv2D,
    QSimpleRNN,
)
from tensorflow.python.ops import array_ops
from tensorflow.python.util import nest
from tensorflow_model_optimization.python.core.sparsity.keras.prune import prune_low_magnitude
from tf_keras import Input, Model
from tf_keras.layers import (
    Activation,
    Add,
    Average,
    AveragePooling2D,
    BatchNormalization,
    Concatenate,
    Cropping2D,
    Flatten,
    GlobalAveragePooling1D,
    LeakyReLU,
    Masking,
    Maximum,
    MaxPooling2D,
    Permute,
    ReLU,
    Subtract,
    UpSampling1D,
    ZeroPadding1D,
)

Tensor = Any

FOUR_BITS = "quantized_bits(4, 0, alpha=1)"
SIX_BITS = "quantized_bits(6, 2, alpha=1)"
EIGHT_BITS = "quantized_bits(8, 3, alpha=1)"
NIBBLE = "quantized_relu(4, 2)"
#: Without an alpha a kernel gets a scale of its own in each channel.
AUTOMATIC = "quantized_bits(4, 0)"
PLAIN = {"kernel_quantizer": FOUR_BITS, "bias_quantizer": EIGHT_BITS}
EPSILON = 2.0**-8


def convolutions() -> Model:
    """Windows, channels and normalization on an image."""
    image = Input((7, 6, 4), name="image")
    x = QActivation(SIX_BITS, name="pixels")(image)
    strided = QConv2D(
        4, 3, strides=2, padding="same", kernel_quantizer=AUTOMATIC, bias_quantizer=EIGHT_BITS,
        activation="quantized_relu(6, 4)", name="strided",
    )(x)  # fmt: skip
    dilated = QConv2D(3, (3, 2), dilation_rate=2, padding="same", name="dilated", **PLAIN)(x)
    depthwise = QDepthwiseConv2D(
        3, strides=2, padding="same", depth_multiplier=2,
        depthwise_quantizer=FOUR_BITS, bias_quantizer=EIGHT_BITS, name="depthwise",
    )(x)  # fmt: skip
    separable = QSeparableConv2D(
        5, 3, depth_multiplier=2, depthwise_quantizer=FOUR_BITS, pointwise_quantizer=FOUR_BITS,
        bias_quantizer=EIGHT_BITS, name="separable",
    )(x)  # fmt: skip
    folded = QConv2DBatchnorm(
        4, 3, epsilon=EPSILON, activation="quantized_relu(6, 3)", name="folded", **PLAIN
    )(x)
    folded_depthwise = QDepthwiseConv2DBatchnorm(
        3, depth_multiplier=2, epsilon=EPSILON,
        depthwise_quantizer=FOUR_BITS, bias_quantizer=EIGHT_BITS, name="folded_depthwise",
    )(x)  # fmt: skip
    fused = BatchNormalization(epsilon=EPSILON, name="fused")(depthwise)
    unscaled = BatchNormalization(epsilon=EPSILON, scale=False, name="unscaled")(dilated)
    quantized = QBatchNormalization(
        epsilon=EPSILON, gamma_quantizer=SIX_BITS, beta_quantizer=SIX_BITS,
        mean_quantizer=SIX_BITS, variance_quantizer=None, name="quantized",
    )(separable)  # fmt: skip
    maximum = MaxPooling2D(3, strides=2, padding="same", name="maximum")(x)
    mean = AveragePooling2D(2, padding="same", name="mean")(strided)
    quantized_mean = QAveragePooling2D(
        2, average_quantizer="quantized_bits(4, 0, alpha=2)", activation=SIX_BITS,
        name="quantized_mean",
    )(strided)  # fmt: skip
    cropped = Cropping2D(((0, 0), (1, 0)), name="cropped")(strided)
    overall = QGlobalAveragePooling2D(
        average_quantizer="quantized_bits(4, 0, alpha=2)", name="overall"
    )(cropped)
    turned = Permute((2, 3, 1), name="turned")(dilated)
    joined = Concatenate(name="joined")([x, dilated])
    stacked = Concatenate(axis=1, name="stacked")([maximum, strided])
    flat = QDense(4, name="head", **PLAIN)(Flatten(name="flat")(strided))
    flat_first = Flatten(data_format="channels_first", name="flat_first")(strided)
    outputs = [folded, folded_depthwise, fused, unscaled, quantized, mean, quantized_mean]
    outputs += [overall, turned, joined, stacked, flat, flat_first]
    return Model(image, outputs, name="convolutions")


def linear() -> Model:
    """Matrices, weights of every kind, and what several inputs go into."""
    # As long as it is wide, so that a lost transposition gives no error.
    series = Input((4, 4), name="series")
    x = QActivation(SIX_BITS, name="steps")(series)
    rows = QDense(4, name="rows", **PLAIN)(x)
    causal = QConv1D(
        4, 3, padding="causal", dilation_rate=2, activation="quantized_bits(4, 0, alpha=2)",
        name="causal", **PLAIN,
    )(x)  # fmt: skip
    minus = Subtract(name="minus")([causal, rows])
    total = Add(name="total")([x, rows, causal])
    average = Average(name="average")([rows, causal])
    larger = Maximum(name="larger")([x, causal])
    padded = ZeroPadding1D((2, 1), name="padded")(x)
    repeated = UpSampling1D(2, name="repeated")(x)
    leaky = LeakyReLU(alpha=0.25, name="leaky")(rows)
    capped = ReLU(max_value=1.5, negative_slope=0.5, threshold=0.25, name="capped")(rows)
    softer = Activation("relu6", name="softer")(rows)
    square = QDense(4, activation="quantized_relu(4, 2)", name="square", **PLAIN)(
        Flatten(name="flat")(QActivation(SIX_BITS, name="again")(rows))
    )
    small = QActivation(SIX_BITS, name="small")(QDense(4, name="narrow", **PLAIN)(square))
    pruned = prune_low_magnitude(QDense(4, name="pruned", **PLAIN))(small)
    kinds = {
        "binary": "binary(alpha=1)",
        "binary_auto": "binary()",
        "ternary": "ternary(alpha=1, threshold=0.5)",
        "ternary_auto": "ternary()",
        "po2": "quantized_po2(4)",
        "bounded_po2": "quantized_po2(4, 0.5)",
        "automatic": AUTOMATIC,
        "narrow_range": "quantized_bits(3, 0, 1, alpha=1)",
        "wide_range": "quantized_bits(8, 0, 0, alpha=1)",
        "stretched": "quantized_bits(3, 1, 0, alpha=0.5)",
    }
    dense = [
        QDense(4, kernel_quantizer=q, bias_quantizer=EIGHT_BITS, name=f"{name}_kernel")(small)
        for name, q in kinds.items()
    ]
    sums = QDense(4, kernel_quantizer=AUTOMATIC, use_bias=False, name="sums")(small)
    normalized = QActivation(SIX_BITS, name="rounded")(
        BatchNormalization(epsilon=EPSILON, name="normalized")(sums)
    )
    off_grid = QDense(6, kernel_quantizer="quantized_bits(3, 1, alpha=1)", name="off_grid")(small)
    outputs = [minus, total, average, larger, padded, repeated, leaky, capped, softer, pruned]
    return Model(series, [*outputs, *dense, normalized, off_grid], name="linear")


def quantizers() -> Model:
    """One activation quantizer beside the other, on inputs chosen for their grids."""
    kinds = {
        "bits": "quantized_bits(4, 1, alpha=1)",
        "bits_narrow": "quantized_bits(5, 0, 1, alpha=1)",
        "bits_unsigned": "quantized_bits(4, 0, 0, 0, alpha=1)",
        "bits_stretched": "quantized_bits(4, 0, alpha=2)",
        "bits_wide": "quantized_bits(12, 3, alpha=1)",
        "sign": "binary(alpha=1)",
        "sign_01": "binary(use_01=True, alpha=1)",
        "levels": "ternary(alpha=1, threshold=0.5)",
        "tanh": "quantized_tanh(4)",
        "tanh_narrow": "quantized_tanh(4, symmetric=True)",
        "sigmoid": "quantized_sigmoid(4)",
        "relu": "quantized_relu(4, 1)",
        "relu_leaky": "quantized_relu(6, 2, negative_slope=0.25)",
        "relu_bounded": "quantized_relu(6, 3, relu_upper_bound=3.0, is_quantized_clip=False)",
        "relu_sigmoid": "quantized_relu(6, 2, use_sigmoid=1)",
        "po2": "quantized_po2(4)",
        "relu_po2": "quantized_relu_po2(4)",
        "smooth": "smooth_sigmoid",
        "hard": "hard_tanh",
    }
    x = Input((64,), name="x")
    return Model(x, [QActivation(q, name=n)(x) for n, q in kinds.items()], name="quantizers")


def sequences() -> Model:
    """Steps that are left out, and what layers over time make of them."""
    cell = {
        "activation": "quantized_tanh(4)", "state_quantizer": SIX_BITS,
        "recurrent_quantizer": FOUR_BITS, **PLAIN,
    }  # fmt: skip
    gates = cell | {"recurrent_activation": "quantized_sigmoid(3)"}
    series = Input((5, 4), name="series")
    x = QActivation(SIX_BITS, name="steps")(series)
    masked = Masking(0.0, name="masked")(x)
    other = Masking(0.5, name="other")(x)
    kept = QLSTM(3, return_sequences=True, return_state=True, name="kept", **gates)
    left_out, *states = kept(masked)
    backwards = QGRU(3, return_sequences=True, go_backwards=True, name="backwards", **gates)
    resumed = QLSTM(3, return_sequences=True, name="resumed", **gates)(masked, initial_state=states)
    both = QBidirectional(QGRU(3, return_sequences=True, **gates), name="both")(masked)
    agreed = QSimpleRNN(3, name="agreed", **cell)(Add(name="sum")([masked, other]))
    longer = Concatenate(axis=1, name="longer")([masked, other])
    joined = QSimpleRNN(3, name="joined", **cell)(longer)
    lost = QSimpleRNN(3, name="lost", **cell)(QActivation(EIGHT_BITS, name="again")(masked))
    mean = GlobalAveragePooling1D(name="mean")(other)
    outputs = [left_out, backwards(masked), resumed, both, agreed, joined, lost, mean]
    return Model(series, outputs, name="sequences")


def stairs() -> Model:
    """Real functions and powers of two, of any numbers and of integer sums."""
    kinds = {
        "tanh": "quantized_tanh(4, use_real_tanh=True)",
        "sigmoid": "quantized_sigmoid(4, use_real_sigmoid=True)",
        "powers": "quantized_relu_po2(4)",
        "both_powers": "quantized_po2(4)",
        "floored": "quantized_relu_po2(4, log2_rounding='floor')",
    }
    x = Input((96,), name="x")
    free = [QActivation(q, name=f"free_{n}")(x) for n, q in kinds.items() if n != "sigmoid"]
    codes = QActivation("quantized_bits(4, 1, alpha=1)", name="codes")(x)
    y = QDense(16, kernel_quantizer=FOUR_BITS, bias_quantizer=FOUR_BITS, name="dense")(codes)
    return Model(x, free + [QActivation(q, name=n)(y) for n, q in kinds.items()], name="stairs")


def requantized() -> Model:
    """What integer kernels round by themselves, each at a quantizer called for what is before it.

    All that is called ``gains_*`` has factors of both signs and no power of two.
    """
    image = Input((7, 6, 3), name="image")
    x = QActivation("quantized_bits(4, 1, alpha=1)", name="signed")(image)
    conv = QConv2D(
        5, (3, 2), strides=2, padding="same", kernel_quantizer=FOUR_BITS, use_bias=False,
        name="conv",
    )(x)  # fmt: skip
    normalized = QActivation(NIBBLE, name="normalized")(_gains("conv", conv))
    depthwise = QDepthwiseConv2D(
        3, padding="same", depth_multiplier=8,
        depthwise_quantizer=FOUR_BITS, use_bias=False, name="depthwise",
    )(x)  # fmt: skip
    by_channel = QActivation(NIBBLE, name="by_channel")(_gains("depthwise", depthwise))
    before_pool = _gains("before_pool", QConv2D(4, 2, name="pooled_conv", **PLAIN)(by_channel))
    pooled = QActivation(NIBBLE, name="pooled")(MaxPooling2D(2, name="pool")(before_pool))
    first = MaxPooling2D(2, name="first")(QConv2D(4, 2, name="first_conv", **PLAIN)(by_channel))
    pooled_first = QActivation(NIBBLE, name="pooled_first")(_gains("behind_pool", first))
    up = QConv2DTranspose(
        3, (3, 4), strides=2, padding="same", name="transposed", **PLAIN
    )(normalized)  # fmt: skip
    spread = QActivation(NIBBLE, name="spread")(_gains("transposed", up))
    wide = QActivation(EIGHT_BITS, name="wide")(
        _gains("wide", QConv2D(6, 2, name="wide_conv", **PLAIN)(normalized))
    )
    scaled = QConv2D(
        4, 2, kernel_quantizer=AUTOMATIC, bias_quantizer=EIGHT_BITS, name="capped_conv"
    )(normalized)  # fmt: skip
    between = _gains("capped", scaled)
    capped = QActivation(NIBBLE, name="capped")(ReLU(1.3, name="cap")(between))
    # Codes without 0, which padding has all the same.
    positive = QActivation("quantized_sigmoid(3, symmetric=True)", name="positive")(image)
    around = QConv2D(
        4, 3, padding="same", kernel_quantizer=FOUR_BITS, use_bias=False, name="padded_conv"
    )(positive)  # fmt: skip
    padded = QActivation(EIGHT_BITS, name="padded")(_gains("padded", around))
    outputs = [pooled, pooled_first, spread, wide, capped, padded]
    return Model(image, outputs, name="requantized")


def sums() -> Model:
    """A convolution of codes whose results are no codes, wide enough for sums of integers."""
    image = Input((16, 17, 32), name="image")
    x = QActivation("quantized_bits(4, 1, alpha=1)", name="signed")(image)
    # Two kinds of scales: of all channels, and one for each.
    one = QConv2D(48, (3, 4), strides=2, padding="same", name="one_scale", **PLAIN)(x)
    strided = QConv2D(
        64, 3, strides=2, padding="same", kernel_quantizer=AUTOMATIC, bias_quantizer=EIGHT_BITS,
        name="strided_sums",
    )(x)  # fmt: skip
    return Model(image, [one, strided], name="sums")


def pools() -> Model:
    """The largest of codes that no kernel makes, one that reads them, means, and several steps."""
    image = Input((7, 6, 3), name="image")
    x = QActivation("quantized_bits(4, 1, alpha=1)", name="signed")(image)
    largest = MaxPooling2D(3, strides=2, padding="same", name="largest")(x)
    conv = QConv2D(4, 2, name="conv", **PLAIN)(largest)
    rounded = QActivation(NIBBLE, name="rounded")(_gains("conv", conv))
    mean = AveragePooling2D((2, 3), strides=1, name="mean_of_six")(x)
    averaged = QActivation(EIGHT_BITS, name="averaged")(_gains("mean", mean))
    part = QAveragePooling2D(
        3, strides=2, average_quantizer="quantized_bits(6, 0, alpha=1)", activation=NIBBLE,
        name="part_of_nine",
    )(x)  # fmt: skip
    finer = QActivation("quantized_relu(4, 1)", name="finer")(image)
    outputs = [rounded, averaged, part]
    for meeting in (Concatenate(name="steps_joined"), Add(name="steps_added")):
        behind = QConv2D(3, 2, name=f"behind_{meeting.name}", **PLAIN)(meeting([x, finer]))
        outputs.append(QActivation(NIBBLE, name=f"rounded_{meeting.name}")(behind))
    return Model(image, outputs, name="pools")


def ties() -> Model:
    """Sums that are ties beside some that have none, for their biases are finer."""
    image = Input((7, 6, 3), name="image")
    x = QActivation("quantized_bits(4, 1, alpha=1)", name="signed")(image)
    mixed = QConv2D(
        8, 2, kernel_quantizer="ternary(alpha=1)", bias_quantizer=EIGHT_BITS, name="mixed_conv"
    )(x)
    mixed = QActivation("quantized_relu(4, 4)", name="mixed")(mixed)
    # Sums of 1/16 with biases of 1/32, and weights that leave nothing but bits of the codes.
    coarse = QActivation("quantized_relu(4, 7)", name="coarse")(image)
    shifted = QConv2D(
        6, 2, kernel_quantizer="quantized_bits(8, 0, 1, alpha=1)",
        bias_quantizer="quantized_bits(8, 1, alpha=1)", name="shifted_conv",
    )(coarse)  # fmt: skip
    shifted = QActivation(EIGHT_BITS, name="shifted")(shifted)
    return Model(image, [mixed, shifted], name="ties")


def _gains(name: str, x: Tensor) -> Tensor:
    return BatchNormalization(name=f"gains_{name}")(x)


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
    for build in (
        convolutions,
        linear,
        quantizers,
        sequences,
        requantized,
        sums,
        pools,
        ties,
        stairs,
    ):
        made = build()
        fill(made)
        save(made, Path(sys.argv[1]) / f"{made.name}.h5")
