"""Bugs in the files of trained convolutional networks."""

from typing import Final

import numpy as np

from scripts.mutation.changes import (
    BYTE,
    HALF,
    channels_swapped,
    halved,
    normalization,
    of_one_sample,
    one_less,
    to_eight_bits,
    to_float16,
)
from scripts.mutation.edits import (
    Step,
    attribute,
    constant,
    dropped,
    in_steps,
    operand,
    preceded,
    reads,
    requantized,
    together,
)
from scripts.mutation.file_mutant import FileMutant

MNIST_CNN: Final = (
    FileMutant(
        "doubled-scale", "G07", "mnist_cnn", "qconv2d_1",
        operand("qconv2d_1/QuantizeLinear", 1, lambda scale: scale * np.float32(2)),
    ),
    FileMutant(
        "channels-swapped", "G08", "mnist_cnn", "qconv2d_2",
        operand("qconv2d_2:conv/DequantizeLinear", 0, channels_swapped),
    ),
    FileMutant("no-clip", "G11", "mnist_cnn", "qconv2d_1", dropped("qconv2d_1/Clip")),
    FileMutant(
        "convolution-half-up", "G11", "mnist_cnn", "qconv2d_1",
        preceded(
            "qconv2d_1/QuantizeLinear", 0, *in_steps(2**-4, Step("Add", (HALF,)), Step("Floor"))
        ),
    ),
    FileMutant(
        "second-scale", "G12", "mnist_cnn", "qconv2d_2",
        preceded("qconv2d_2:conv/Conv", 0, *requantized(2**-3, BYTE)),
    ),
    FileMutant(
        "flat-channels-first-28", "G19", "mnist_cnn", "flatten",
        attribute("flatten/Transpose", "perm", [0, 1, 2, 3]),
    ),
    FileMutant(
        "flat-turned", "G19", "mnist_cnn", "flatten",
        attribute("flatten/Transpose", "perm", [0, 3, 2, 1]),
    ),
    FileMutant(
        "window-too-narrow", "G20", "mnist_cnn", "max_pooling2d_1",
        attribute("max_pooling2d_1/MaxPool", "kernel_shape", [2, 1]),
    ),
    FileMutant(
        "one-code-of-a-window", "G30", "mnist_cnn", "qconv2d_2",
        operand("qconv2d_2:conv/DequantizeLinear", 0, one_less),
    ),
    FileMutant(
        "batch-of-one-28", "G31", "mnist_cnn", "flatten",
        operand("flatten/Reshape", 1, of_one_sample), verdict="UNCHECKED",
    ),
    FileMutant(
        "no-relu", "G32", "mnist_cnn", "qdense_2",
        reads("qdense_2:dense/Gemm", 0, "qdense_1:dense"),
    ),
)  # fmt: skip

PRUNED_CNN: Final = (
    FileMutant(
        "scale-by-a-hair", "G06", "pruned_cnn", "dense_act_0",
        operand("dense_act_0/DequantizeLinear", 1, lambda scale: scale * np.float32(1 + 2**-18)),
    ),
    FileMutant(
        "both-scales-doubled", "G07", "pruned_cnn", "prune_low_magnitude_fused_convbn_1",
        together(
            operand("conv_act_1/QLinearConv", 6, lambda scale: scale * np.float32(2)),
            operand("bn_dense_0/DequantizeLinear", 1, lambda step: step * np.float32(2)),
        ),
    ),
    FileMutant(
        "bias-scale", "G09", "pruned_cnn", "prune_low_magnitude_fused_convbn_1",
        operand("conv_act_1/QLinearConv", 8, lambda bias: 2 * bias),
    ),
    FileMutant(
        "folded-bias-in-eight-bits", "G09", "pruned_cnn", "prune_low_magnitude_fused_convbn_1",
        operand("conv_act_1/QLinearConv", 8, to_eight_bits),
    ),
    FileMutant(
        "highest-code-plus-one", "G11", "pruned_cnn", "bn_dense_0",
        operand("dense_act_0/Clip", 2, lambda hi: hi + 1),
    ),
    FileMutant(
        "third-quantization", "G12", "pruned_cnn", "output_dense",
        preceded("output_dense/Gemm", 0, *requantized(2**-5, BYTE)),
    ),
    FileMutant(
        "folded-and-requantized", "G14", "pruned_cnn", "prune_low_magnitude_fused_convbn_1",
        together(
            operand("conv_act_1/Gather", 0, halved),
            operand("conv_act_1/QLinearConv", 4, lambda scale: scale * np.float32(2)),
        ),
    ),
    FileMutant("epsilon", "G15", "pruned_cnn", "bn_dense_0", normalization(epsilon=1e-5)),
    FileMutant(
        "mean-and-variance", "G15", "pruned_cnn", "bn_dense_0", normalization(swapped=True)
    ),
    FileMutant("no-center", "G15", "pruned_cnn", "bn_dense_0", normalization(center=False)),
    FileMutant("no-scale", "G15", "pruned_cnn", "bn_dense_0", normalization(scale=False)),
    FileMutant(
        "flat-channels-first-pruned", "G19", "pruned_cnn", "flatten_1",
        attribute("flatten_1/Transpose", "perm", [0, 1, 2, 3]),
    ),
    FileMutant(
        "window-too-low", "G20", "pruned_cnn", "pool_0",
        attribute("pool_0/MaxPool", "kernel_shape", [1, 2]),
    ),
    FileMutant(
        "kernel-in-float16", "G29", "pruned_cnn", "output_dense",
        operand("output_dense/Gemm", 1, to_float16),
    ),
    FileMutant(
        "inverse-in-float16", "G29", "pruned_cnn", "bn_dense_0",
        operand("bn_dense_0/Mul", 1, to_float16),
    ),
    FileMutant(
        "offset-in-float16", "G29", "pruned_cnn", "bn_dense_0",
        operand("bn_dense_0/Add", 1, to_float16),
    ),
    FileMutant(
        "normalization-skipped", "G32", "pruned_cnn", "bn_dense_0",
        together(
            operand("bn_dense_0/Mul", 1, np.ones_like),
            operand("bn_dense_0/Add", 1, np.zeros_like),
        ),
    ),
    FileMutant(
        "weight-of-sums", "G14", "pruned_cnn", "prune_low_magnitude_dense_0",
        operand("prune_low_magnitude_dense_0/MatMulInteger", 1, one_less),
    ),
    FileMutant(
        "zero-point-of-sums", "G07", "pruned_cnn", "prune_low_magnitude_dense_0",
        constant("prune_low_magnitude_dense_0/MatMulInteger", 2, np.uint8(1)),
    ),
    FileMutant(
        "step-of-sums-doubled", "G07", "pruned_cnn", "bn_dense_0",
        operand("bn_dense_0/DequantizeLinear", 1, lambda step: step * np.float32(2)),
    ),
    FileMutant(
        "activation-skipped-pruned", "G32", "pruned_cnn", "output_dense",
        reads("output_dense/Gemm", 0, "bn_dense_0/Add"),
    ),
)  # fmt: skip

IMAGES: Final = (*MNIST_CNN, *PRUNED_CNN)
