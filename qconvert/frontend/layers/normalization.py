"""Batch normalization."""

import numpy as np

from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.flavour import Flavour
from qconvert.frontend.layers.windows import move_axis
from qconvert.frontend.problems import Malformed, Unsupported, short
from qconvert.frontend.weights import expect_shape, weight
from qconvert.ir.graph import Weight
from qconvert.ir.ops import Affine, BatchNormalization
from qconvert.ir.quantizers import Quantizer, is_data_dependent
from qconvert.numerics import inverse_deviation, quantize

_ROLES = ("gamma", "beta", "moving_mean", "moving_variance")


def batch_normalization(call: Call) -> Parsed:
    """``BatchNormalization``."""
    c = call.config
    axis = c.raw("axis", -1)
    may_fuse = c.raw("fused") is not False and not c.flavour.keras3
    roles, epsilon = _roles(c), c.number("epsilon")
    _read_unused(c)
    c.done()
    weights = {name: weight(raw, None) for name, raw in call.weights.take(*roles).items()}
    return _normalize(call, axis, weights, epsilon, may_fuse=may_fuse)


def q_batch_normalization(call: Call) -> Parsed:
    """``QBatchNormalization``: each array quantized by itself, TensorFlow's plain program.

    Younger versions can quantize the product of gamma and the reciprocal root too.
    """
    c = call.config
    axis = c.raw("axis", -1)
    roles, epsilon = _roles(c), c.number("epsilon")
    quantizers: dict[str, Quantizer | None] = {
        "gamma": c.quantizer("gamma_quantizer", "kernel"),
        "beta": c.quantizer("beta_quantizer", "other"),
        "moving_mean": c.quantizer("mean_quantizer", "other"),
        "moving_variance": c.quantizer("variance_quantizer", "kernel"),
    }
    inverse = _inverse_quantizer(c, quantizers)
    c.ignore("beta_range", "gamma_range")
    if c.raw("activation") is not None:
        c.note(f"QKeras never applies activation={short(c.raw('activation'))}")
    _read_unused(c)
    if c.flavour is Flavour.V3 and _axes(axis) not in ([-1], [call.rank - 1]):
        c.refuse(f"axis={axis}, which qkeras-v3 cannot run here")
    c.done()
    raw = call.weights.take(*roles)
    weights = {name: weight(array, quantizers[name]) for name, array in raw.items()}
    if inverse is None and c.flavour is not Flavour.V3:
        return _normalize(call, axis, weights, epsilon, may_fuse=False)
    return _multiply(call, axis, weights, epsilon, inverse)


def _roles(c: Config) -> tuple[str, ...]:
    absent = {name for name, key in (("gamma", "scale"), ("beta", "center")) if not c.flag(key)}
    return tuple(role for role in _ROLES if role not in absent)


def _read_unused(c: Config) -> None:
    c.ignore("momentum", "synchronized", "renorm_clipping", "renorm_momentum")
    c.expect("renorm", False)
    c.expect("virtual_batch_size", None)


def _normalize(
    call: Call, axis: object, weights: dict[str, Weight], epsilon: float, *, may_fuse: bool
) -> Parsed:
    at, rank = _checked_axis(call, axis, weights)
    arrays = {name: one.effective for name, one in weights.items()}
    op = BatchNormalization(
        mean=arrays["moving_mean"],
        variance=arrays["moving_variance"],
        gamma=arrays.get("gamma"),
        beta=arrays.get("beta"),
        epsilon=epsilon,
        # tf_keras: rank 4 or 5 with the axis where NCHW or NHWC has its channels.
        fused=may_fuse and rank in (4, 5) and at in (1, rank - 1),
    )
    return Parsed(move_axis((op,), rank, at), weights)


def _multiply(
    call: Call,
    axis: object,
    weights: dict[str, Weight],
    epsilon: float,
    quantizer: Quantizer | None,
) -> Parsed:
    """``x * inverse + (beta - mean * inverse)`` with an inverse of QKeras's own."""
    at, rank = _checked_axis(call, axis, weights)
    arrays = {name: one.effective for name, one in weights.items()}
    inverse = inverse_deviation(
        arrays["moving_variance"],
        arrays.get("gamma"),
        epsilon,
        divided=call.flavour is Flavour.V3,
    )
    if quantizer is not None:
        inverse = quantize(quantizer, inverse)
    moved = arrays["moving_mean"] * inverse
    offset = arrays["beta"] - moved if "beta" in arrays else np.negative(moved)
    return Parsed(move_axis((Affine(inverse, offset),), rank, at), weights)


def _inverse_quantizer(c: Config, others: dict[str, Quantizer | None]) -> Quantizer | None:
    quantizer = c.quantizer("inverse_quantizer", "other")
    if quantizer is not None and (others["gamma"] or others["moving_variance"]):
        c.refuse("inverse_quantizer together with one of gamma or variance, which QKeras refuses")
    if quantizer is not None and is_data_dependent(quantizer) and c.flavour is not Flavour.V3:
        c.refuse("inverse_quantizer with an automatic scale: its axis depends on the rank")
    return quantizer


def _checked_axis(call: Call, axis: object, weights: dict[str, Weight]) -> tuple[int, int]:
    """The axis that is normalized, whose length the weights have, and the number of axes."""
    shape = call.shape()
    at = _axis(axis, len(shape))
    for name, one in weights.items():
        expect_shape(name, one.raw, (-1 if shape[at] is None else shape[at] or 0,))
    return at, len(shape)


def _axes(axis: object) -> list[object]:
    return list(axis) if isinstance(axis, list | tuple) else [axis]


def _axis(axis: object, rank: int) -> int:
    many = _axes(axis)
    if len(many) > 1:
        raise Unsupported(f"axis={axis}: more than one axis")
    at = many[0] if many else None
    if type(at) is not int or not -rank < at < rank or at == 0:
        raise Malformed(f"axis={axis} is not an axis of a tensor with {rank} axes", "QC315")
    return at % rank
