"""Networks on images, whose bugs are in windows, channels, pools and integer kernels."""

from typing import Any

from qkeras import (
    QActivation,
    QAveragePooling2D,
    QBatchNormalization,
    QConv2D,
    QConv2DBatchnorm,
    QConv2DTranspose,
    QDense,
    QDepthwiseConv2D,
    QDepthwiseConv2DBatchnorm,
    QGlobalAveragePooling2D,
    QSeparableConv2D,
)
from tf_keras import Input, Model
from tf_keras.layers import (
    Add,
    AveragePooling2D,
    BatchNormalization,
    Concatenate,
    Cropping2D,
    Flatten,
    MaxPooling2D,
    Permute,
    ReLU,
    ZeroPadding2D,
)

from scripts.mutation.options import (
    AUTOMATIC,
    EIGHT_BITS,
    EPSILON,
    FOUR_BITS,
    NIBBLE,
    PLAIN,
    SIX_BITS,
)

Tensor = Any


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
    one_wide = QConv2D(
        4, (3, 6), kernel_quantizer="quantized_bits(8, 0)", bias_quantizer=EIGHT_BITS,
        activation="quantized_relu(6, 4)", name="one_wide",
    )(x)  # fmt: skip
    outputs = [folded, folded_depthwise, fused, unscaled, quantized, mean, quantized_mean]
    outputs += [overall, turned, joined, stacked, flat, flat_first, one_wide]
    return Model(image, outputs, name="convolutions")


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
    largest = MaxPooling2D(2, name="largest")(
        QConv2D(4, 2, name="rising_conv", **PLAIN)(by_channel)
    )
    rising = BatchNormalization(scale=False, name="gains_rising")(largest)
    pooled_rising = QActivation(NIBBLE, name="pooled_rising")(rising)
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
    outputs = [pooled, pooled_first, pooled_rising, spread, wide, capped, padded]
    return Model(image, outputs, name="requantized")


def sums() -> Model:
    """Convolutions of codes whose results are no codes, wide enough for sums of integers.

    Their weights are too large to be int8 beside bytes.
    """
    image = Input((16, 17, 32), name="image")
    x = QActivation("quantized_bits(8, 1, alpha=1)", name="signed")(image)
    # Two kinds of scales: of all channels, and one for each.
    one = QConv2D(
        48, (3, 4), strides=2, padding="same", kernel_quantizer="quantized_bits(8, 0, alpha=1)",
        bias_quantizer=EIGHT_BITS, name="one_scale",
    )(x)  # fmt: skip
    strided = QConv2D(
        64, 3, strides=2, padding="same", kernel_quantizer="quantized_bits(8, 0)",
        bias_quantizer=EIGHT_BITS, name="strided_sums",
    )(x)  # fmt: skip
    return Model(image, [one, strided], name="sums")


def windows() -> Model:
    """The same of weights of few bits: products of matrices of gathered windows.

    One has so many sums that a normalization behind it shifts some of them.
    """
    image = Input((8, 9, 32), name="image")
    x = QActivation("quantized_bits(8, 1, alpha=1)", name="signed")(image)
    strided = QConv2D(
        32, (3, 4), strides=(2, 1), padding="same", kernel_quantizer=AUTOMATIC,
        bias_quantizer=EIGHT_BITS, name="strided_windows",
    )(x)  # fmt: skip
    dilated = QConv2D(
        48, (2, 3), dilation_rate=(1, 2), padding="same", name="dilated_windows", **PLAIN
    )(x)
    one = QConv2D(128, 1, strides=2, name="windows_of_one", **PLAIN)(x)
    many = QConv2D(
        48, 3, kernel_quantizer="quantized_bits(7, 0, alpha=1)", use_bias=False, name="many_sums"
    )(x)
    shifted = QActivation(EIGHT_BITS, name="shifted")(_gains("shifted", many))
    return Model(image, [strided, dilated, one, shifted], name="windows")


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
    summed = AveragePooling2D(2, name="mean_of_four")(QConv2D(4, 2, name="summed_conv", **PLAIN)(x))
    outputs.append(QActivation(EIGHT_BITS, name="averaged_conv")(summed))
    codes = AveragePooling2D(2, name="codes_of_four")(x)
    outputs.append(QConv2D(4, 2, name="behind_codes", **PLAIN)(codes))
    return Model(image, outputs, name="pools")


def joins() -> Model:
    """Convolutions that are concatenated, or padded, in front of their quantizer.

    Beside the second one are codes that it leaves as they are, beside the third one such that it
    does not; a sign makes 1 of zeros.
    """
    image = Input((7, 6, 3), name="image")
    x = QActivation("quantized_bits(4, 1, alpha=1)", name="signed")(image)
    first = QConv2D(4, 2, padding="same", name="first_branch", **PLAIN)(x)
    second = QConv2D(5, 3, padding="same", name="second_branch", **PLAIN)(x)
    both = _gains("joined", Concatenate(name="both")([first, second]))
    outputs = [QActivation(NIBBLE, name="joined")(both)]
    for name, codes in (("kept", NIBBLE), ("wider", "quantized_relu(5, 3)")):
        beside = QActivation(codes, name=name)(image)
        third = QConv2D(4, 2, padding="same", name=f"beside_{name}", **PLAIN)(x)
        meeting = Concatenate(name=f"with_{name}")([beside, third])
        around = ZeroPadding2D(((1, 0), (0, 2)), name=f"around_{name}")(meeting)
        outputs.append(QActivation(NIBBLE, name=f"rounded_{name}")(around))
    signs = ZeroPadding2D(1, name="zeros")(QConv2D(4, 2, name="signs_of", **PLAIN)(x))
    outputs.append(QActivation("binary(alpha=1)", name="signs")(signs))
    return Model(image, outputs, name="joins")


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
