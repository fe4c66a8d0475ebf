"""Convolutions: plain, depthwise, separable and transposed."""

from dataclasses import replace

import numpy as np

from qconvert.frontend.call import Call, LayerParser, Parsed, channels
from qconvert.frontend.config import Config
from qconvert.frontend.layers.channels_first import (
    refuse_causal,
    refuse_in_one_dimension,
    require_clear_bias,
)
from qconvert.frontend.layers.dense import no_faults
from qconvert.frontend.layers.windows import Window, channels_last, convolution_window, last
from qconvert.frontend.problems import Unsupported, short
from qconvert.frontend.weights import expect_shape, quantized, weight
from qconvert.ir.graph import Weight
from qconvert.ir.ops import Conv, ConvTranspose, Padding
from qconvert.ir.quantizers import Quantizer
from qconvert.ir.shapes import Shape, infer_shape
from qconvert.ir.types import F32


def conv1d(call: Call) -> Parsed:
    """``Conv1D`` and ``QConv1D``."""
    return _convolution(call, 1, "valid", "same", "causal")


def conv2d(call: Call) -> Parsed:
    """``Conv2D``, ``QConv2D`` and ``FQConv2D``."""
    return _convolution(call, 2, "valid", "same")


def conv3d(call: Call) -> Parsed:
    """``Conv3D``."""
    return _convolution(call, 3, "valid", "same")


def _convolution(call: Call, rank: int, *paddings: str) -> Parsed:
    c = call.config
    window = convolution_window(c, rank, *paddings)
    filters, groups = c.integer("filters"), c.integer("groups", default=1)
    if filters % groups:
        c.reject(f"filters={filters} do not divide into groups={groups}")
    use_bias = c.flag("use_bias")
    quantizers = (c.quantizer("kernel_quantizer", "kernel"), c.quantizer("bias_quantizer", "other"))
    activation = c.activation("activation", qkeras=call.qkeras, rank=call.rank)
    read_unused(c)
    mask = _mask(c, window)
    no_faults(c)
    refuse_causal(call, window)
    refuse_in_one_dimension(call, window, use_bias=use_bias)
    c.done()
    names = ("kernel", "bias")[: 1 + use_bias]
    raw = call.weights.take(*names)
    shape = last(call.shape(rank + 2), window.channels_first)
    expect_shape("kernel", raw["kernel"], (*window.size, channels(shape) // groups, filters))
    if use_bias:
        expect_shape("bias", raw["bias"], (filters,))
    weights = {name: weight(raw[name], q) for name, q in zip(names, quantizers, strict=False)}
    if mask is not None:
        kernel = weights["kernel"]
        weights["kernel"] = replace(kernel, effective=kernel.effective * mask)
    conv = plain(window, shape, weights["kernel"].effective, effective(weights, "bias"), groups)
    require_clear_bias(call, window, conv, shape)
    ops = channels_last((conv,), rank + 2, window.channels_first)
    return Parsed((*ops, *activation), weights)


def depthwise_conv2d(call: Call) -> Parsed:
    """``DepthwiseConv2D`` and ``QDepthwiseConv2D``."""
    c = call.config
    window = convolution_window(c, 2, "valid", "same")
    multiplier, use_bias = c.integer("depth_multiplier"), c.flag("use_bias")
    quantizers = (
        c.quantizer("depthwise_quantizer", "kernel"),
        c.quantizer("bias_quantizer", "other"),
    )
    activation = c.activation("activation", qkeras=call.qkeras, rank=call.rank)
    read_unused(c)
    c.expect("groups", 1)
    refuse_depthwise(c, window)
    c.done()
    name = "kernel" if call.flavour.keras3 and not call.qkeras else "depthwise_kernel"
    names = (name, "bias")[: 1 + use_bias]
    raw = call.weights.take(*names)
    shape = last(call.shape(4), window.channels_first)
    expect_shape(name, raw[name], (*window.size, channels(shape), multiplier))
    if use_bias:
        expect_shape("bias", raw["bias"], (channels(shape) * multiplier,))
    weights = {name: weight(raw[name], q) for name, q in zip(names, quantizers, strict=False)}
    conv = depthwise(window, shape, weights[name].effective, effective(weights, "bias"))
    require_clear_bias(call, window, conv, shape)
    ops = channels_last((conv,), 4, window.channels_first)
    return Parsed((*ops, *activation), weights)


def separable_conv1d(call: Call) -> Parsed:
    """``SeparableConv1D`` and ``QSeparableConv1D``."""
    return _separable(call, 1, "valid", "same", "causal")


def separable_conv2d(call: Call) -> Parsed:
    """``SeparableConv2D`` and ``QSeparableConv2D``."""
    return _separable(call, 2, "valid", "same")


def _separable(call: Call, rank: int, *paddings: str) -> Parsed:
    c = call.config
    window = convolution_window(c, rank, *paddings)
    filters, multiplier = c.integer("filters"), c.integer("depth_multiplier")
    use_bias = c.flag("use_bias")
    quantizers = {
        "depthwise_kernel": c.quantizer("depthwise_quantizer", "kernel"),
        "pointwise_kernel": c.quantizer("pointwise_quantizer", "kernel"),
        "bias": c.quantizer("bias_quantizer", "other"),
    }
    activation = c.activation("activation", qkeras=call.qkeras, rank=call.rank)
    read_unused(c)
    c.expect("groups", 1)
    _refuse_separable(call, window)
    c.done()
    raw = call.weights.take(*tuple(quantizers)[: 2 + use_bias])
    shape = last(call.shape(rank + 2), window.channels_first)
    inner = channels(shape) * multiplier
    expect_shape(
        "depthwise_kernel", raw["depthwise_kernel"], (*window.size, channels(shape), multiplier)
    )
    expect_shape("pointwise_kernel", raw["pointwise_kernel"], (*(1,) * rank, inner, filters))
    if use_bias:
        expect_shape("bias", raw["bias"], (filters,))
    weights = {name: _expanded(array, quantizers[name], rank) for name, array in raw.items()}
    first = depthwise(window, shape, weights["depthwise_kernel"].effective, None)
    second = Conv(
        kernel=weights["pointwise_kernel"].effective,
        bias=effective(weights, "bias"),
        strides=(1,) * rank,
        dilations=(1,) * rank,
        padding=((0, 0),) * rank,
    )
    require_clear_bias(call, window, second, infer_shape(first, shape))
    ops = channels_last((first, second), rank + 2, window.channels_first)
    return Parsed((*ops, *activation), weights)


def conv_transpose(rank: int) -> LayerParser:
    """The parser of ``Conv*DTranspose``."""

    def parse(call: Call) -> Parsed:
        return _transposed(call, rank)

    return parse


def _transposed(call: Call, rank: int) -> Parsed:
    c = call.config
    window = convolution_window(c, rank, "valid", "same")
    filters, use_bias = c.integer("filters"), c.flag("use_bias")
    given = c.raw("output_padding")
    padded = given is not None and not call.qkeras
    if given is not None and not padded:
        c.note(f"QKeras does not heed output_padding={short(given)}")
    extra = c.integers("output_padding", rank, minimum=0) if padded else None
    quantizers = (c.quantizer("kernel_quantizer", "kernel"), c.quantizer("bias_quantizer", "other"))
    activation = c.activation("activation", qkeras=call.qkeras, rank=call.rank)
    c.expect("groups", 1)
    if rank == 3 and not call.flavour.keras3 and set(window.dilations) != {1}:
        c.note(f"Keras does not heed dilation_rate={window.dilations} in three dimensions")
        window = replace(window, dilations=(1,) * rank)
    refuse_transposed(c, window)
    c.done()
    names = ("kernel", "bias")[: 1 + use_bias]
    raw = call.weights.take(*names)
    shape = last(call.shape(rank + 2), window.channels_first)
    expect_shape("kernel", raw["kernel"], (*window.size, filters, channels(shape)))
    if use_bias:
        expect_shape("bias", raw["bias"], (filters,))
    weights = {name: weight(raw[name], q) for name, q in zip(names, quantizers, strict=False)}
    op = transposed(window, weights["kernel"].effective, effective(weights, "bias"), extra)
    require_clear_bias(call, window, op, shape)
    ops = channels_last((op,), rank + 2, window.channels_first)
    return Parsed((*ops, *activation), weights)


def plain(window: Window, shape: Shape, kernel: F32, bias: F32 | None, groups: int = 1) -> Conv:
    """A convolution of a channels-last tensor of *shape*."""
    pads = window.pads(shape)
    return Conv(kernel, bias, window.strides, window.dilations, pads, groups)


def depthwise(window: Window, shape: Shape, kernel: F32, bias: F32 | None) -> Conv:
    """Keras's kernel (*window, inputs, multiplier) as a convolution with a group an input."""
    *size, inputs, multiplier = kernel.shape
    grouped = np.ascontiguousarray(kernel.reshape(*size, 1, inputs * multiplier))
    return plain(window, shape, grouped, bias, groups=inputs)


def transposed(
    window: Window, kernel: F32, bias: F32 | None, extra: tuple[int, ...] | None = None
) -> ConvTranspose:
    """A transposed convolution of a channels-last tensor; *extra* is Keras's output padding."""
    crop = _cropping(window, extra)
    return ConvTranspose(kernel, bias, window.strides, window.dilations, crop)


def effective(weights: dict[str, Weight], name: str) -> F32 | None:
    """What the layer computes with, None if there is no such weight."""
    return weights[name].effective if name in weights else None


def read_unused(c: Config) -> None:
    """Options of QKeras's convolutions that are deprecated, or newer than 0.9.0 and inert."""
    c.ignore("kernel_range", "depthwise_range", "bias_range")


def refuse_transposed(c: Config, window: Window) -> None:
    """Note what Keras's transposed convolution cannot run."""
    if len(set(window.dilations)) > 1:
        c.refuse(f"dilation_rate={window.dilations}, which Keras cannot run")


def refuse_mask(c: Config) -> None:
    """Note a mask where QKeras takes one and computes without it."""
    c.expect("mask", None)


def refuse_depthwise(c: Config, window: Window) -> None:
    """Note what TensorFlow's depthwise kernel cannot run."""
    if len(set(window.strides)) > 1:
        c.refuse(f"unequal strides={window.strides}, which TensorFlow cannot run depthwise")


def _refuse_separable(call: Call, window: Window) -> None:
    refuse_depthwise(call.config, window)
    if window.padding == "causal" and call.qkeras:
        call.config.refuse("padding='causal', which QKeras 0.9.0 cannot run here")


def _mask(c: Config, window: Window) -> F32 | None:
    """``mask`` of later QKeras versions: a factor of the kernel for each tap."""
    given = c.raw("mask")
    if given is None:
        return None
    try:
        mask = np.array(given, np.float32).reshape(*window.size, 1, 1)
    except (TypeError, ValueError):
        c.reject(f"mask={short(given)} is not one number for each tap")
        return None
    if not np.isfinite(mask).all():
        c.reject("mask has numbers that are not finite")
    return mask


def _expanded(raw: F32, quantizer: Quantizer | None, rank: int) -> Weight:
    """QKeras gives one-dimensional separable kernels a leading axis before it quantizes them."""
    if quantizer is None or rank == 2 or raw.ndim == 1:
        return weight(raw, quantizer)
    return Weight(raw, quantized(raw[np.newaxis], quantizer)[0], quantizer)


def _cropping(window: Window, extra: tuple[int, ...] | None) -> Padding:
    """What TensorFlow takes away from the full result, by Keras's output length."""
    result: list[tuple[int, int]] = []
    for axis, (size, stride, dilation) in enumerate(
        zip(window.size, window.strides, window.dilations, strict=True)
    ):
        reach = (size - 1) * dilation + 1
        if extra is None:
            # n * stride, and for 'valid' max(reach - stride, 0) more.
            crop = reach - stride - (max(reach - stride, 0) if window.padding == "valid" else 0)
        else:
            crop = (2 * (reach // 2) if window.padding == "same" else 0) - extra[axis]
        result.append(_split_crop(crop, reach, stride, window.padding))
    return tuple(result)


def _split_crop(crop: int, reach: int, stride: int, padding: str) -> tuple[int, int]:
    """Before and after; TensorFlow pads the convolution that this one is the gradient of."""
    more = reach - stride - crop
    # The forward convolution must give back the input's length, or TensorFlow refuses.
    steps = (more if padding == "same" else more - reach + 1) / stride
    if not -1 < steps <= 0:
        raise Unsupported("this output_padding, which TensorFlow cannot run")
    before = max(crop, 0) // 2 if padding == "same" else 0
    return before, crop - before
