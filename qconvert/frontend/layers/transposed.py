"""Depthwise and separable transposed convolutions, of QKeras's master and qkeras-v3."""

from typing import Final

import numpy as np

from qconvert.frontend.call import Call, Parsed, channels
from qconvert.frontend.config import Config
from qconvert.frontend.layers.convolution import (
    effective,
    refuse_transposed,
    transposed,
)
from qconvert.frontend.layers.windows import Window, convolution_window
from qconvert.frontend.problems import Malformed, short
from qconvert.frontend.weights import expect_shape, weight
from qconvert.ir.ops import ConvTranspose, Op
from qconvert.ir.types import F32

#: Options that neither layer heeds, at the values at which that changes nothing.
_UNHEEDED: Final = {"output_padding": None, "depth_multiplier": 1, "activation": "linear"}


def q_separable_conv2d_transpose(call: Call) -> Parsed:
    """``QSeparableConv2DTranspose``: each channel by itself, then a 1x1 convolution.

    Files keep neither of the activations of the two halves, and QKeras never applies the third.
    """
    c = call.config
    window = _window(c)
    between = _activation(c, "depthwise_activation")
    behind = _activation(c, "pointwise_activation")
    filters, use_bias = c.integer("filters"), c.flag("use_bias")
    quantizers = {
        "depthwise_kernel": c.quantizer("depthwise_kernel_quantizer", "kernel"),
        "pointwise_kernel": c.quantizer("pointwise_kernel_quantizer", "kernel"),
        "bias": c.quantizer("bias_quantizer", "other"),
    }
    c.done()
    raw = call.weights.take(*tuple(quantizers)[: 2 + use_bias])
    inputs = channels(call.shape(4))
    expect_shape("depthwise_kernel", raw["depthwise_kernel"], (*window.size, 1, inputs))
    expect_shape("pointwise_kernel", raw["pointwise_kernel"], (1, 1, filters, inputs))
    if use_bias:
        expect_shape("bias", raw["bias"], (filters,))
    weights = {name: weight(array, quantizers[name]) for name, array in raw.items()}
    depth = np.moveaxis(weights["depthwise_kernel"].effective, 2, 3)
    pointwise = ConvTranspose(
        kernel=weights["pointwise_kernel"].effective,
        bias=effective(weights, "bias"),
        strides=(1, 1),
        dilations=(1, 1),
        cropping=((0, 0), (0, 0)),
    )
    first = transposed(window, _apart(depth, 1), None)
    return Parsed((first, *between, pointwise, *behind), weights)


def q_depthwise_conv2d_transpose(call: Call) -> Parsed:
    """``QDepthwiseConv2DTranspose``: groups of channels by themselves, each to ``group_size``.

    QKeras has a bias and never adds it; files do not keep its activation.
    """
    c = call.config
    window = _window(c)
    behind = _activation(c, "depthwise_activation")
    filters, group, use_bias = c.integer("filters"), c.integer("group_size"), c.flag("use_bias")
    if use_bias:
        c.note("QKeras never adds the bias")
    kernel_quantizer = c.quantizer("depthwise_kernel_quantizer", "kernel")
    bias_quantizer = c.quantizer("bias_quantizer", "other")
    c.done()
    raw = call.weights.take(*("depthwise_kernel", "bias")[: 1 + use_bias])
    inputs = channels(call.shape(4))
    if inputs % group:
        raise Malformed(f"{inputs} channels do not divide into groups of {group}")
    expect_shape("depthwise_kernel", raw["depthwise_kernel"], (*window.size, inputs, group))
    weights = {"depthwise_kernel": weight(raw["depthwise_kernel"], kernel_quantizer)}
    if use_bias:
        expect_shape("bias", raw["bias"], (filters,))
        weights["bias"] = weight(raw["bias"], bias_quantizer)
    kernel = _apart(weights["depthwise_kernel"].effective, group)
    return Parsed((transposed(window, kernel, None), *behind), weights)


def _window(c: Config) -> Window:
    """The window, with the options that neither layer heeds read."""
    window = convolution_window(c, 2, "valid", "same")
    for option, usual in _UNHEEDED.items():
        given = c.raw(option)
        if given not in (None, usual):
            c.note(f"QKeras does not heed {option}={short(given)}")
    c.expect("groups", 1)
    if window.channels_first:
        c.refuse("data_format='channels_first', which QKeras cannot run here")
    refuse_transposed(c, window)
    return window


def _activation(c: Config, key: str) -> tuple[Op, ...]:
    """One of those that only a live model has."""
    if not c.has(key):
        c.note(f"files do not keep {key}, which the model may have been trained with")
    return c.activation(key, qkeras=True, rank=4)


def _apart(kernel: F32, group: int) -> F32:
    """Groups of ``ConvTranspose``, which has none, as zeros between them.

    QKeras cuts (*window, inputs, outputs of a group) into groups of inputs and gives each to
    TensorFlow as (*window, outputs, inputs): its third axis are the outputs of the group, its
    last one the inputs.
    """
    inputs = kernel.shape[2]
    whole = np.zeros((*kernel.shape[:2], inputs, inputs), np.float32)
    for start in range(0, inputs, group):
        part = slice(start, start + group)
        whole[:, :, part, part] = kernel[:, :, part, :]
    return whole
