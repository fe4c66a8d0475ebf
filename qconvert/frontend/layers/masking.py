"""``Masking``, and what other layers that read or make masks share with it."""

from qconvert.frontend.assembly import Assembly
from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.problems import Unsupported
from qconvert.ir.ops import Merge, Reshape
from qconvert.ir.shapes import Shape
from qconvert.ir.stock import StepMask


def masking(call: Call) -> Parsed:
    """``Masking``: steps all of whose features are one number do not count, and become 0."""
    value = call.config.number("mask_value", default=0.0)
    refuse_keras3(call.config)
    call.config.done()
    whole = Assembly.of((call.shape(),))
    mask = whole.add(StepMask(value), *whole.inputs)
    result = whole.add(Merge("multiply"), *whole.inputs, mask)
    return Parsed(graph=whole.graph("layer", [result]), masks={0: mask})


def refuse_keras3(c: Config) -> None:
    """Note a mask where Keras 3 makes it, whose layers treat it in other ways."""
    if c.flavour.keras3:
        c.refuse("it makes a mask, which is not supported in models of Keras 3", "QC325")


def column(shape: Shape) -> Reshape:
    """An axis of length 1 behind all axes of a tensor."""
    if shape[1:].count(None) > 1:
        raise Unsupported(
            f"a mask of an input of shape {shape}: more than one length is not known", code="QC325"
        )
    return Reshape((*(-1 if length is None else length for length in shape[1:]), 1))
