"""Bugs in the files of a trained encoder and of autoencoders."""

from typing import Final

import numpy as np

from scripts.mutation.changes import (
    BYTE,
    HALF,
    channels_swapped,
    flipped,
    of_one_sample,
    one_less,
    to_eight_digits,
    to_float16,
    to_six_digits,
    turned,
)
from scripts.mutation.edits import (
    Step,
    attribute,
    dropped,
    operand,
    preceded,
    reads,
    requantized,
    together,
)
from scripts.mutation.file_mutant import FileMutant

_CONVOLUTION: Final = "encoder/conv2d_0_m"
_TRANSPOSED: Final = "decoder/conv2D_t_0:convtranspose"

ENCODER: Final = (
    FileMutant(
        "pads-in-front", "G01", "encoder", "conv2d_0_m",
        attribute("conv2d_0_m/Conv", "pads", [1, 1, 0, 0]),
    ),
    FileMutant(
        "kernel-turned", "G08", "encoder", "conv2d_0_m",
        operand("conv2d_0_m/Cast", 0, turned),
    ),
    FileMutant(
        "bias-lost", "G09", "encoder", "conv2d_0_m",
        operand("conv2d_0_m/Conv", 2, np.zeros_like),
    ),
    FileMutant(
        "lower-end-half-a-step-off", "G11", "encoder", "input_qa",
        operand("input_qa/Clip", 1, lambda lo: lo + HALF),
    ),
    FileMutant(
        "upper-end-a-step-off", "G11", "encoder", "accum1_qa",
        operand("accum1_qa/Clip", 2, lambda hi: hi - np.float32(1)),
    ),
    FileMutant(
        "input-half-up", "G11", "encoder", "input_qa",
        preceded("input_qa/Round", 0, Step("Add", (HALF,)), Step("Floor")),
    ),
    FileMutant(
        "second-quantization", "G12", "encoder", "encoded_vector",
        preceded("encoded_vector/Gemm", 0, *requantized(2**-5, BYTE)),
    ),
    FileMutant(
        "input-unquantized", "G13", "encoder", "conv2d_0_m",
        reads("conv2d_0_m/Transpose", 0, "input_1"),
    ),
    FileMutant(
        "flat-channels-first", "G19", "encoder", "flatten",
        attribute("flatten/Transpose", "perm", [0, 1, 2, 3]),
    ),
    FileMutant(
        "one-code", "G30", "encoder", "encoded_vector",
        operand("encoded_vector/Cast", 0, one_less),
    ),
    FileMutant(
        "batch-of-one-flat", "G31", "encoder", "flatten",
        operand("flatten/Reshape", 1, of_one_sample), verdict="UNCHECKED",
    ),
)  # fmt: skip

AUTOENCODER: Final = (
    FileMutant(
        "pads-on-both-sides", "G01", "autoencoder", _CONVOLUTION,
        attribute(f"{_CONVOLUTION}/Conv", "pads", [1, 1, 1, 1]),
    ),
    FileMutant(
        "transposed-pads-exchanged", "G01", "autoencoder", "decoder/conv2D_t_0",
        attribute(f"{_TRANSPOSED}/ConvTranspose", "pads", [1, 1, 0, 0]),
    ),
    FileMutant(
        "code-beyond", "G11", "autoencoder", "encoder/encod_qa",
        operand("encoder/encod_qa/Clip", 2, lambda hi: hi + np.float32(2**-8)),
    ),
    FileMutant(
        "transposed-flipped", "G17", "autoencoder", "decoder/conv2D_t_0",
        operand(f"{_TRANSPOSED}/ConvTranspose", 1, flipped),
    ),
    FileMutant(
        "transposed-channels", "G17", "autoencoder", "decoder/conv2D_t_0",
        operand(f"{_TRANSPOSED}/ConvTranspose", 1, channels_swapped),
    ),
    FileMutant(
        "output-padding", "G17", "autoencoder", "decoder/conv2D_t_0",
        together(
            attribute(f"{_TRANSPOSED}/ConvTranspose", "pads", [1, 1, 1, 1]),
            attribute(f"{_TRANSPOSED}/ConvTranspose", "output_padding", [1, 1]),
        ),
    ),
    FileMutant(
        "image-turned", "G19", "autoencoder", "decoder/conv2D_t_0",
        attribute(f"{_TRANSPOSED}/Transpose", "perm", [0, 3, 2, 1]),
    ),
    FileMutant(
        "six-digits", "G29", "autoencoder", "decoder/de_dense_final",
        operand("decoder/de_dense_final:dense/Gemm", 1, to_six_digits),
    ),
    FileMutant(
        "batch-of-one-inside", "G31", "autoencoder", "decoder/de_reshape",
        operand("decoder/de_reshape/Reshape", 1, of_one_sample),
        verdict="UNCHECKED",
    ),
    FileMutant(
        "relu-dropped", "G32", "autoencoder", "decoder/de_dense_final",
        dropped("decoder/de_dense_final/Relu"),
    ),
    FileMutant(
        "relu-dropped-2d", "G32", "autoencoder", "decoder/conv2D_t_0",
        dropped("decoder/conv2D_t_0/Relu"),
    ),
    FileMutant(
        "sigmoid-dropped", "G32", "autoencoder", "decoder/decoder_output",
        together(
            reads("decoder/decoder_output/Div", 0, "decoder/conv2d_t_final"),
            dropped("decoder/decoder_output/Div"),
        ),
    ),
)  # fmt: skip

SMALL_AUTOENCODER: Final = (
    # Ties are so rare there that samples hardly have one: they have to be forced.
    FileMutant(
        "code-half-up", "G11", "small_autoencoder", "encoder/encod_qa",
        preceded("encoder/encod_qa/Round", 0, Step("Add", (HALF,)), Step("Floor")),
    ),
    # Within rounding of what is right, so that nothing but the weights can show it.
    FileMutant(
        "kernel-to-eight-digits", "G29", "small_autoencoder", "decoder/de_dense_final",
        operand("decoder/de_dense_final:dense/Gemm", 1, to_eight_digits),
    ),
    FileMutant(
        "step-squared-small", "G07", "small_autoencoder", "encoder/encoded_vector",
        operand("encoder/encoded_vector/Mul", 1, np.square),
    ),
    FileMutant(
        "no-code-above", "G11", "small_autoencoder", "encoder/input_qa",
        operand("encoder/input_qa/Clip", 2, lambda hi: hi - np.float32(2**-6)),
    ),
    FileMutant(
        "flipped-small", "G17", "small_autoencoder", "decoder/conv2d_t_final",
        operand("decoder/conv2d_t_final/ConvTranspose", 1, flipped),
    ),
    FileMutant(
        "turned-small", "G17", "small_autoencoder", "decoder/conv2d_t_final",
        operand("decoder/conv2d_t_final/ConvTranspose", 1, turned),
    ),
    FileMutant(
        "not-transposed", "G18", "small_autoencoder", "decoder/de_dense_0",
        attribute("decoder/de_dense_0:dense/Gemm", "transB", 0),
    ),
    FileMutant(
        "not-transposed-codes", "G18", "small_autoencoder", "encoder/encoded_vector",
        attribute("encoder/encoded_vector/Gemm", "transB", 0),
    ),
    FileMutant(
        "kernel-in-float16-2d", "G29", "small_autoencoder", "decoder/conv2d_t_final",
        operand("decoder/conv2d_t_final/ConvTranspose", 1, to_float16),
    ),
    FileMutant(
        "relu-dropped-small", "G32", "small_autoencoder", "decoder/de_dense_0",
        dropped("decoder/de_dense_0/Relu"),
    ),
)  # fmt: skip

CODERS: Final = (*ENCODER, *AUTOENCODER, *SMALL_AUTOENCODER)
