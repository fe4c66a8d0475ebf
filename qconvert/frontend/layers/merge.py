"""Layers with several inputs."""

from typing import Literal

from qconvert.frontend.call import Call, LayerParser, Parsed
from qconvert.frontend.layers.shape import axis_of
from qconvert.frontend.problems import Malformed, Unsupported
from qconvert.ir.ops import Concat, Merge, Op, Reshape
from qconvert.ir.shapes import Shape

Kind = Literal["add", "subtract", "multiply", "average", "maximum", "minimum"]


def merge(kind: Kind) -> LayerParser:
    """The parser of ``Add``, ``Subtract``, ``Multiply``, ``Average``, ``Maximum``, ``Minimum``."""

    def parse(call: Call) -> Parsed:
        call.config.done()
        shapes = call.known_shapes()
        if len(shapes) < 2 or (kind == "subtract" and len(shapes) > 2):
            raise Malformed(f"{call.class_name} with {len(shapes)} input(s)", "QC315")
        rank = max(map(len, shapes))
        return Parsed((Merge(kind),), before=tuple(_raised(shape, rank) for shape in shapes))

    return parse


def concatenate(call: Call) -> Parsed:
    """``Concatenate``."""
    axis = call.config.raw("axis", -1)
    call.config.done()
    shapes = call.known_shapes()
    if len(shapes) < 2:
        raise Malformed(f"{call.class_name} with {len(shapes)} input(s)", "QC315")
    return Parsed((Concat(axis_of(axis, shapes[0])),))


def _raised(shape: Shape, rank: int) -> tuple[Op, ...]:
    """Keras gives inputs with fewer axes axes of length 1 behind the batch."""
    if len(shape) == rank:
        return ()
    known = [length for length in shape[1:] if length is not None]
    if len(known) < len(shape) - 1:
        raise Unsupported(
            f"inputs with {len(shape)} and {rank} axes, of unknown size", code="QC318"
        )
    return (Reshape((*(1,) * (rank - len(shape)), *known)),)
