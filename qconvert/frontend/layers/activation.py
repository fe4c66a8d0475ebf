"""Layers that apply a function to every element, and those that do nothing at inference."""

from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.layers.shape import axis_of
from qconvert.frontend.problems import Malformed
from qconvert.frontend.weights import expect_shape, weight
from qconvert.ir.ops import Elementwise, Function, Relu, Softmax
from qconvert.ir.stock import JointSoftmax, PRelu


def activation(call: Call) -> Parsed:
    """``Activation`` and ``QActivation``."""
    ops = call.config.activation("activation", qkeras=call.qkeras, rank=call.rank)
    call.config.done()
    call.shape()
    return Parsed(ops)


def relu(call: Call) -> Parsed:
    """``ReLU``."""
    c = call.config
    slope = c.number("negative_slope", default=0.0)
    threshold = c.number("threshold", default=0.0)
    max_value = None if c.raw("max_value") is None else c.number("max_value")
    c.done()
    call.shape()
    return Parsed((Relu(slope, threshold, max_value),))


def leaky_relu(call: Call) -> Parsed:
    """``LeakyReLU``."""
    slope = call.config.number("negative_slope" if call.flavour.keras3 else "alpha")
    call.config.done()
    call.shape()
    return Parsed((Relu(slope=slope),))


def p_relu(call: Call) -> Parsed:
    """``PReLU``; ``shared_axes`` count from 1."""
    c = call.config
    shared = c.raw("shared_axes")
    axes = shared if isinstance(shared, list | tuple) else [] if shared is None else [shared]
    c.done()
    raw = call.weights.take("alpha")["alpha"]
    shape = call.shape()
    if not all(type(axis) is int and 0 < axis < len(shape) for axis in axes):
        raise Malformed(f"shared_axes={shared!r} are not axes of {shape}", "QC315")
    lengths = (1 if i in axes else -1 if n is None else n for i, n in enumerate(shape[1:], 1))
    expect_shape("alpha", raw, tuple(lengths))
    return Parsed((PRelu(raw),), {"alpha": weight(raw, None)})


def thresholded_relu(call: Call) -> Parsed:
    """``ThresholdedReLU``: 0 up to ``theta``."""
    theta = call.config.number("theta")
    if theta < 0:
        call.config.reject(f"theta={theta:g} is below 0")
    call.config.done()
    call.shape()
    return Parsed((Relu(threshold=theta),))


def elu(call: Call) -> Parsed:
    """``ELU``."""
    alpha = call.config.number("alpha")
    call.config.done()
    call.shape()
    return Parsed((Elementwise(Function.ELU, alpha),))


def softmax(call: Call) -> Parsed:
    """``Softmax``."""
    c = call.config
    axis = c.raw("axis", -1)
    listed = axis if isinstance(axis, list | tuple) else [axis]
    c.ignore("robust_masking")
    c.done()
    shape = call.shape()
    axes = sorted({axis_of(one, shape) for one in listed})
    if not axes:
        raise Malformed("axis=[] is no axis")
    return Parsed((Softmax(axes[0]) if len(axes) == 1 else JointSoftmax(tuple(axes)),))


def identity(call: Call) -> Parsed:
    """Dropout, noise and penalties: nothing at inference."""
    c = call.config
    c.ignore("rate", "noise_shape", "seed", "stddev", "l1", "l2", "rng_type", "data_format")
    c.done()
    call.shape()
    return Parsed(())
