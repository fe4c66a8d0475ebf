"""Layers that normalize each sample by itself."""

from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.layers.shape import axis_of
from qconvert.frontend.problems import Malformed
from qconvert.frontend.weights import expect_shape, weight
from qconvert.ir.shapes import Shape
from qconvert.ir.stock import LayerNormalization, UnitNormalize

#: ``FusedBatchNormV3`` raises a smaller epsilon to about this, so that Keras 2 does not use it.
_LEAST_FUSED_EPSILON = 1.001e-5


def layer_normalization(call: Call) -> Parsed:
    """``LayerNormalization``."""
    c = call.config
    axis, epsilon = c.raw("axis", -1), c.number("epsilon")
    roles = tuple(r for r, key in (("gamma", "scale"), ("beta", "center")) if c.flag(key))
    c.expect("rms_scaling", False)
    c.done()
    raw = call.weights.take(*roles) if roles else {}
    shape = call.shape()
    axes = _axes(axis, shape)
    for role, array in raw.items():
        expect_shape(role, array, tuple(-1 if (n := shape[i]) is None else n for i in axes))
    # Keras reshapes without a look at the order in which the axes are given.
    broadcast = [_length(shape, i, axes) for i in range(1, len(shape))]
    arrays = {role: array.reshape(broadcast) for role, array in raw.items()}
    inner = tuple(sorted(axes))
    op = LayerNormalization(
        axes=inner,
        gamma=arrays.get("gamma"),
        beta=arrays.get("beta"),
        epsilon=epsilon,
        fused=not call.flavour.keras3
        and inner == tuple(range(inner[0], len(shape)))
        and epsilon >= _LEAST_FUSED_EPSILON,
    )
    return Parsed((op,), {role: weight(array, None) for role, array in raw.items()})


def _length(shape: Shape, axis: int, kept: tuple[int, ...]) -> int:
    """The length of an axis where parameters follow it, 1 where they broadcast."""
    length = shape[axis]
    return length if axis in kept and length is not None else 1


def unit_normalization(call: Call) -> Parsed:
    """``UnitNormalization``; Keras 3 bounds the root by 1e-12, Keras 2 what it is the root of."""
    axis = call.config.raw("axis", -1)
    call.config.done()
    epsilon = 1e-24 if call.flavour.keras3 else 1e-12
    return Parsed((UnitNormalize(tuple(sorted(_axes(axis, call.shape()))), epsilon),))


def _axes(axis: object, shape: Shape) -> tuple[int, ...]:
    many = axis if isinstance(axis, list | tuple) else [axis]
    axes = tuple(axis_of(one, shape) for one in many)
    if not axes or len(set(axes)) < len(axes):
        raise Malformed(f"axis={axis!r} are not axes of {shape}", "QC315")
    return axes
