"""Mistakes that are made in several files, or that take several changes of one."""

from pathlib import Path
from typing import Final

import h5py
import numpy as np
import onnx

from scripts.mutation.edits import (
    Array,
    Edit,
    Step,
    attribute,
    constant,
    operand,
    preceded,
    together,
)

_DATA: Final = Path(__file__).resolve().parents[2] / "tests" / "data"
HALF: Final = np.float32(0.5)
#: The zero point of unsigned codes.
BYTE: Final = np.uint8(0)


def channels_swapped(kernel: Array) -> Array:
    """A kernel with what it reads and what it writes exchanged."""
    return kernel.swapaxes(0, 1)


def flipped(kernel: Array) -> Array:
    """A kernel that is read from its end."""
    return kernel[..., ::-1, ::-1]


def turned(kernel: Array) -> Array:
    """A kernel with its last two axes exchanged."""
    return kernel.swapaxes(-1, -2)


def one_less(codes: Array) -> Array:
    """The largest code lessened by 1."""
    codes.flat[np.argmax(codes)] -= 1
    return codes


def to_eight_bits(codes: Array) -> Array:
    """Codes that saturate as int8."""
    return np.clip(codes, -128, 127)


def halved(codes: Array) -> Array:
    """Codes of twice the step."""
    return np.rint(codes / 2).astype(codes.dtype)


def to_float16(x: Array) -> Array:
    """Numbers as float16 keeps them."""
    return x.astype(np.float16).astype(np.float32)


def to_six_digits(x: Array) -> Array:
    """As a text of six decimals keeps it."""
    return np.array([float(f"{v:.6f}") for v in x.flat], np.float32).reshape(x.shape)


def to_eight_digits(x: Array) -> Array:
    """As a text of eight significant digits keeps it, which float32 needs one more of."""
    return np.array([float(f"{v:.7e}") for v in x.flat], np.float32).reshape(x.shape)


def of_one_sample(shape: Array) -> Array:
    """The shape of a batch of one."""
    return np.array([1, *shape[1:]])


def recoded(layer: str, scale: float = 1.0, zero: np.generic = BYTE) -> Edit:
    """An activation with *scale* times the step, or another zero point and type."""
    pair = (f"{layer}/QuantizeLinear", f"{layer}/DequantizeLinear")
    return together(
        *(operand(name, 1, lambda step: step * np.float32(scale)) for name in pair),
        *(constant(name, 2, zero) for name in pair),
    )


def normalization(
    *,
    epsilon: float = 1e-3,
    swapped: bool = False,
    center: bool = True,
    scale: bool = True,
) -> Edit:
    """`bn_dense_0` of `pruned_cnn` from its statistics, with one of the usual mistakes."""

    def edit(model: onnx.ModelProto) -> None:
        with h5py.File(_DATA / "pruned_cnn.h5") as file:
            stored = file["model_weights/bn_dense_0/bn_dense_0"]
            names = ("gamma:0", "beta:0", "moving_mean:0", "moving_variance:0")
            gamma, beta, mean, variance = (stored[name][()] for name in names)
        if swapped:
            mean, variance = variance, abs(mean)
        inverse = (gamma if scale else 1) / np.sqrt(variance + np.float32(epsilon))
        offset = (beta if center else 0) - mean * inverse
        constant("bn_dense_0/Mul", 1, inverse.astype(np.float32))(model)
        constant("bn_dense_0/Add", 1, offset.astype(np.float32))(model)

    return edit


def frozen(model: onnx.ModelProto) -> None:
    """A batch of one sample alone."""
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def weights_alone(layer: str, step: float, *steps: Step) -> Edit:
    """A kernel of floats as integers in Keras's order, behind further *steps* of what comes in.

    In a file without any QuantizeLinear ONNX Runtime makes a MatMulNBits of it, which quantizes
    the floats that come in. With graph optimizations off nothing is wrong.
    """
    return together(
        operand(f"{layer}/Gemm", 1, lambda kernel: np.rint(kernel.T / step).astype(np.int8)),
        preceded(f"{layer}/Gemm", 1, Step("DequantizeLinear", (np.float32(step), np.int8(0)))),
        attribute(f"{layer}/Gemm", "transB", 0),
        preceded(f"{layer}/Gemm", 0, *steps),
    )


def signed_weights(layer: str) -> Edit:
    """Codes around 128 as int8: pairs of products can saturate where there is no VNNI."""
    return together(
        operand(f"{layer}/DequantizeLinear", 0, lambda codes: (codes - 128.0).astype(np.int8)),
        constant(f"{layer}/DequantizeLinear", 2, np.int8(0)),
    )
