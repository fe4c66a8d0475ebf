"""Fully connected layers."""

from qconvert.frontend.call import Call, Parsed, channels
from qconvert.frontend.config import Config
from qconvert.frontend.weights import expect_shape, weight
from qconvert.ir.ops import Dense


def dense(call: Call) -> Parsed:
    """``Dense``, ``QDense`` and ``FQDense``."""
    c = call.config
    units, use_bias = c.integer("units"), c.flag("use_bias")
    quantizers = (c.quantizer("kernel_quantizer", "kernel"), c.quantizer("bias_quantizer", "other"))
    activation = c.activation("activation", qkeras=call.qkeras, rank=call.rank)
    c.ignore("kernel_range", "bias_range")
    c.expect("quantization_config", None)
    no_faults(c)
    c.done()
    names = ("kernel", "bias")[: 1 + use_bias]
    raw = call.weights.take(*names)
    expect_shape("kernel", raw["kernel"], (channels(call.shape()), units))
    if use_bias:
        expect_shape("bias", raw["bias"], (units,))
    weights = {name: weight(raw[name], q) for name, q in zip(names, quantizers, strict=False)}
    bias = weights["bias"].effective if use_bias else None
    return Parsed((Dense(weights["kernel"].effective, bias), *activation), weights)


def no_faults(c: Config) -> None:
    """The fault injection of fkeras, inert at a bit error rate of 0."""
    for rate in ("ber", "kernel_ber", "bias_ber"):
        c.expect(rate, 0)
    c.ignore("bit_loc", "rad", "is_training", "accum_faults")
