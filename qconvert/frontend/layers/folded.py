"""QKeras's layers that fold a batch normalization into their kernel before they quantize it."""

from collections.abc import Sequence

import numpy as np

from qconvert.frontend.call import Call, Parsed, channels
from qconvert.frontend.config import Config
from qconvert.frontend.flavour import Flavour
from qconvert.frontend.layers.convolution import (
    depthwise,
    plain,
    read_unused,
    refuse_depthwise,
    refuse_mask,
)
from qconvert.frontend.layers.windows import channels_last, convolution_window, last
from qconvert.frontend.weights import expect_shape, quantized
from qconvert.ir.graph import Folding, Weight
from qconvert.ir.ops import Dense
from qconvert.ir.quantizers import Quantizer
from qconvert.ir.types import F32
from qconvert.numerics import fold_batch_normalization


def conv2d_batchnorm(call: Call) -> Parsed:
    """``QConv2DBatchnorm``, which loses its ``data_format`` in QKeras 0.9.0: channels are last."""
    c = call.config
    window = convolution_window(c, 2, "valid", "same")
    filters, groups = c.integer("filters"), c.integer("groups", default=1)
    use_bias = c.flag("use_bias")
    quantizers = _quantizers(c, "kernel_quantizer")
    activation = c.activation("activation", qkeras=True, rank=call.rank)
    read_unused(c)
    refuse_mask(c)
    statistics = _Statistics(c, rank=4, channel_axis=3)
    c.done()
    raw = call.weights.take(*statistics.roles("kernel", use_bias))
    shape = call.shape(4)
    expect_shape("kernel", raw["kernel"], (*window.size, channels(shape) // groups, filters))
    weights = statistics.fold(raw, "kernel", filters, quantizers)
    kernel, bias = weights["kernel"].effective, weights["bias"].effective
    return Parsed((plain(window, shape, kernel, bias, groups), *activation), weights)


def depthwise_conv2d_batchnorm(call: Call) -> Parsed:
    """``QDepthwiseConv2DBatchnorm``."""
    c = call.config
    window = convolution_window(c, 2, "valid", "same")
    multiplier, use_bias = c.integer("depth_multiplier"), c.flag("use_bias")
    quantizers = _quantizers(c, "depthwise_quantizer")
    activation = c.activation("activation", qkeras=True, rank=call.rank)
    read_unused(c)
    c.expect("groups", 1)
    refuse_depthwise(c, window)
    statistics = _Statistics(c, rank=4, channel_axis=1 if window.channels_first else 3)
    c.done()
    raw = call.weights.take(*statistics.roles("depthwise_kernel", use_bias))
    shape = last(call.shape(4), window.channels_first)
    inputs = channels(shape)
    expect_shape("depthwise_kernel", raw["depthwise_kernel"], (*window.size, inputs, multiplier))
    weights = statistics.fold(raw, "depthwise_kernel", inputs * multiplier, quantizers)
    kernel, bias = weights["depthwise_kernel"].effective, weights["bias"].effective
    ops = channels_last((depthwise(window, shape, kernel, bias),), 4, window.channels_first)
    return Parsed((*ops, *activation), weights)


def dense_batchnorm(call: Call) -> Parsed:
    """``QDenseBatchnorm``, of later QKeras versions."""
    c = call.config
    units, use_bias = c.integer("units"), c.flag("use_bias")
    quantizers = _quantizers(c, "kernel_quantizer")
    activation = c.activation("activation", qkeras=True, rank=call.rank)
    read_unused(c)
    c.expect("quantization_config", None)
    statistics = _Statistics(c, rank=call.rank, channel_axis=call.rank - 1)
    c.done()
    raw = call.weights.take(*statistics.roles("kernel", use_bias))
    shape = call.shape(2)
    expect_shape("kernel", raw["kernel"], (channels(shape), units))
    weights = statistics.fold(raw, "kernel", units, quantizers)
    op = Dense(weights["kernel"].effective, weights["bias"].effective)
    return Parsed((op, *activation), weights)


class _Statistics:
    """The batch normalization inside a folded layer."""

    def __init__(self, c: Config, rank: int, channel_axis: int) -> None:
        self._epsilon = c.number("epsilon")
        self._scale = c.flag("scale")
        self._flavour = c.flavour
        if not c.flag("center"):
            c.refuse("center=False, which no QKeras can run here")
        if c.flavour is Flavour.V3 and not self._scale:
            c.refuse("scale=False, which qkeras-v3 cannot run here")
        if [axis % rank for axis in _axes(c)] != [channel_axis]:
            c.refuse(f"axis={c.raw('axis')}, which is not the channels' axis")
        c.choice("folding_mode", "ema_stats_folding", "batch_stats_folding")
        c.ignore("ema_freeze_delay", "momentum", "synchronized")
        c.ignore("renorm_clipping", "renorm_momentum")
        c.expect("renorm", False)
        c.expect("virtual_batch_size", None)

    def roles(self, kernel: str, use_bias: bool) -> tuple[str, ...]:
        """The variables in Keras's order."""
        bias, gamma = ("bias",) * use_bias, ("gamma",) * self._scale
        return (kernel, *bias, *gamma, "beta", "iteration", "moving_mean", "moving_variance")

    def fold(
        self,
        raw: dict[str, F32],
        kernel: str,
        outputs: int,
        quantizers: Sequence[Quantizer | None],
    ) -> dict[str, Weight]:
        """The kernel and the bias that the layer computes with."""
        for name in raw.keys() - {kernel}:
            expect_shape(name, raw[name], (outputs,))
        depthwise = kernel == "depthwise_kernel"
        # Depthwise, qkeras-v3 has kept rsqrt.
        divided = self._flavour is Flavour.V3 and not depthwise
        folded = fold_batch_normalization(
            raw[kernel],
            raw.get("bias"),
            gamma=raw.get("gamma"),
            beta=raw["beta"],
            mean=raw["moving_mean"],
            variance=raw["moving_variance"],
            epsilon=self._epsilon,
            depthwise=depthwise,
            divided=divided,
        )
        foldings = (
            Folding(folded.kernel, abs(folded.kernel)),
            Folding(folded.bias, folded.bias_reach),
        )
        # Without use_bias the layer still has a bias, as if 0 had been stored.
        bias = raw.get("bias", np.zeros(outputs, np.float32))
        return {
            role: Weight(
                stored,
                quantized(folding.values, quantizer),
                quantizer,
                None if divided else folding,
            )
            for role, stored, folding, quantizer in zip(
                (kernel, "bias"), (raw[kernel], bias), foldings, quantizers, strict=True
            )
        }


def _quantizers(c: Config, kernel: str) -> tuple[Quantizer | None, Quantizer | None]:
    return c.quantizer(kernel, "kernel"), c.quantizer("bias_quantizer", "other")


def _axes(c: Config) -> tuple[int, ...]:
    axis = c.raw("axis", -1)
    many = axis if isinstance(axis, list | tuple) else [axis]
    if any(type(one) is not int for one in many):
        c.reject(f"axis={axis!r} is not a list of whole numbers")
        return ()
    return tuple(many)
