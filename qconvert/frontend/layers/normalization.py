"""Batch normalization."""

from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.layers.windows import move_axis
from qconvert.frontend.problems import Malformed, Unsupported
from qconvert.frontend.weights import expect_shape, weight
from qconvert.ir.graph import Weight
from qconvert.ir.ops import BatchNormalization
from qconvert.ir.quantizers import Quantizer

_ROLES = ("gamma", "beta", "moving_mean", "moving_variance")


def batch_normalization(call: Call) -> Parsed:
    """``BatchNormalization``."""
    c = call.config
    axis = c.raw("axis", -1)
    may_fuse = c.raw("fused") is not False
    roles, epsilon = _roles(c), c.number("epsilon")
    _read_unused(c)
    c.done()
    weights = {name: weight(raw, None) for name, raw in call.weights.take(*roles).items()}
    return _normalize(call, axis, weights, epsilon, may_fuse=may_fuse)


def q_batch_normalization(call: Call) -> Parsed:
    """``QBatchNormalization``: each array quantized by itself, TensorFlow's plain program."""
    c = call.config
    axis = c.raw("axis", -1)
    roles, epsilon = _roles(c), c.number("epsilon")
    quantizers: dict[str, Quantizer | None] = {
        "gamma": c.quantizer("gamma_quantizer", "kernel"),
        "beta": c.quantizer("beta_quantizer", "other"),
        "moving_mean": c.quantizer("mean_quantizer", "other"),
        "moving_variance": c.quantizer("variance_quantizer", "kernel"),
    }
    c.expect("inverse_quantizer", None)
    c.ignore("beta_range", "gamma_range")
    _read_unused(c)
    c.done()
    raw = call.weights.take(*roles)
    weights = {name: weight(array, quantizers[name]) for name, array in raw.items()}
    return _normalize(call, axis, weights, epsilon, may_fuse=False)


def _roles(c: Config) -> tuple[str, ...]:
    absent = {name for name, key in (("gamma", "scale"), ("beta", "center")) if not c.flag(key)}
    return tuple(role for role in _ROLES if role not in absent)


def _read_unused(c: Config) -> None:
    c.ignore("momentum", "synchronized")
    c.expect("renorm", False)
    c.expect("virtual_batch_size", None)


def _normalize(
    call: Call, axis: object, weights: dict[str, Weight], epsilon: float, *, may_fuse: bool
) -> Parsed:
    shape = call.shape()
    rank = len(shape)
    at = _axis(axis, rank)
    for name, one in weights.items():
        expect_shape(name, one.raw, (-1 if shape[at] is None else shape[at] or 0,))
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


def _axis(axis: object, rank: int) -> int:
    many = axis if isinstance(axis, list | tuple) else [axis]
    if len(many) > 1:
        raise Unsupported(f"axis={axis}: more than one axis")
    at = many[0] if many else None
    if type(at) is not int or not -rank < at < rank or at == 0:
        raise Malformed(f"axis={axis} is not an axis of a tensor with {rank} axes")
    return at % rank
