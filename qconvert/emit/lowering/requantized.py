"""A convolution, or a mean, and all that stands between it and a quantizer, as one integer kernel.

``QLinearConv`` states the arithmetic that is proven, rounding included. The same numbers as
``DequantizeLinear`` around a ``Conv`` would be right only where a runtime makes that of it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np

from qconvert.emit.builder import Builder
from qconvert.emit.codes import on_grid
from qconvert.emit.dialects import Dialect
from qconvert.emit.grids import rising, rounds_to
from qconvert.emit.lowering.abreast import places_abreast
from qconvert.emit.lowering.groups import Form, form, in_floats
from qconvert.emit.lowering.rounding import at_places, convolved, in_place, zero_code
from qconvert.emit.packing import FEWEST, stored_codes
from qconvert.emit.requantization import (
    Chain,
    Join,
    Phases,
    Requantized,
    averaged,
    phases,
    requantized,
    summing,
)
from qconvert.emit.values import Value, channels_first, relayout
from qconvert.emit.weights import Weight, conv_weight, weight_of
from qconvert.ir import Node, Op, Quantizer, Shape
from qconvert.ir.ops import Conv, ConvTranspose, Pool, Quantize
from qconvert.ir.quantizers import QuantizedBits, QuantizedLinear, QuantizedRelu
from qconvert.numerics import quantize_body

Lower: TypeAlias = Callable[[Op, tuple[Value, ...], Shape, Builder, Dialect], Value]
#: Writes a kernel, and returns what that does.
Write: TypeAlias = Callable[[], Value]


def lower_chain(
    chain: Chain, weight: Weight | None, x: Value, b: Builder, dialect: Dialect, lower: Lower
) -> Value | None:
    """The value at the chain's end; ``None`` if nothing is gained or some channel has no form.

    *weight* is that of the layer that it begins with, which a mean has not.
    """
    if isinstance(chain.linear.op, Conv) and weight is not None and _is_made(chain, weight, x):
        return None
    write = _kernel(chain, weight, x, b)
    return None if write is None else _moved(chain.moves, write(), b, dialect, lower)


def kernels_of(join: Join, inputs: Sequence[Value], b: Builder) -> list[Write | None]:
    """By branch of a *join* how its codes are written, if not by the quantizer.

    Empty where nothing is gained, or where the quantizer cannot be applied to the others alone.
    """
    assert isinstance(join.end.op, Quantize)
    divided = not join.behind and _only_rounds(join.end.op.quantizer)
    found: list[Write | None] = []
    gains = False
    for branch, x in zip(join.branches, inputs, strict=True):
        if isinstance(branch, str):
            write = _as_it_is(join.end, x)
        else:
            write = _kernel(branch, weight_of(branch.linear.op), x, b)
            gains |= write is not None
        if write is None and not divided:
            # Before the numbers of further kernels are searched.
            return []
        found.append(write)
    return found if gains else []


def lower_join(
    join: Join, branches: Sequence[Value], b: Builder, dialect: Dialect, lower: Lower
) -> Value:
    """The value at the end of a *join*, whose *branches* are codes."""
    b.scope = join.concat.name
    joined = lower(join.concat.op, tuple(branches), join.concat.shape, b, dialect)
    return _moved(join.moves, joined, b, dialect, lower)


def written(branch: Chain | str, write: Write, b: Builder, dialect: Dialect, lower: Lower) -> Value:
    """The codes of a *branch*, with what moves them."""
    return _moved(() if isinstance(branch, str) else branch.moves, write(), b, dialect, lower)


def _only_rounds(quantizer: Quantizer) -> bool:
    """Whether ``QuantizeLinear``, with a ``Clip`` of bytes, is all of it."""
    plain = isinstance(quantizer, QuantizedBits | QuantizedLinear | QuantizedRelu)
    return plain and rounds_to(quantizer) is not None


def _as_it_is(end: Node, x: Value) -> Write | None:
    """*x*, if its codes are what the quantizer at the *end* makes of them."""
    return (lambda: x) if _is_kept(end, x) else None


def _is_kept(end: Node, x: Value) -> bool:
    assert isinstance(end.op, Quantize)
    grid = rising(end.op.quantizer)
    if x.codes is None or not x.integer or grid is None or x.codes.exp != grid.exp:
        return False
    if x.codes.zero != zero_code(grid):
        return False
    lo, hi = x.codes.ends
    numbers = (np.arange(lo, hi + 1) * grid.step).astype(np.float32)
    return bool(np.array_equal(quantize_body(end.op.quantizer, numbers), numbers))


def _moved(moves: Sequence[Node], y: Value, b: Builder, dialect: Dialect, lower: Lower) -> Value:
    for node in moves:
        b.scope = node.name
        y = lower(node.op, (y,), node.shape, b, dialect)
    return y


def _is_made(chain: Chain, weight: Weight, x: Value) -> bool:
    """Whether runtimes make the kernel by themselves, and one place at a time is fastest."""
    op = chain.linear.op
    assert isinstance(op, Conv)
    single = op.groups > 1 or places_abreast(op, chain.linear.shape[-2]) == 1
    return single and fuses(chain, weight, x)


def _kernel(chain: Chain, weight: Weight | None, x: Value, b: Builder) -> Write | None:
    """How the kernel of a chain is written, if there is one; nothing of it is yet."""
    op = chain.linear.op
    if not x.integer:
        return None
    if isinstance(op, Conv) and weight is not None:
        if in_floats(chain, weight, x):
            return None
        if chain.mean is not None:
            return _averaged(chain, weight, x, b)
        return _requantized(chain, op, weight, x, b)
    if isinstance(op, ConvTranspose):
        placed = phases(op, chain.linear.shape)
        if placed is None:
            return None
        return _requantized(chain, placed.conv, conv_weight(placed.conv), x, b, placed)
    if isinstance(op, Pool):
        ones = summing(op, chain.linear.shape[-1] or 1)
        return _requantized(chain, ones, conv_weight(ones), x, b)
    return None


def _averaged(chain: Chain, weight: Weight, x: Value, b: Builder) -> Write | None:
    """With the mean inside of the convolution."""
    summed = None if x.codes is None else averaged(chain, weight, x.codes)
    if summed is None or not isinstance(summed.linear.op, Conv):
        return None
    op = summed.linear.op
    return _requantized(summed, op, conv_weight(op), x, b)


def fuses(chain: Chain, weight: Weight, x: Value) -> bool:
    """Whether runtimes make an integer kernel of *chain* by themselves.

    They do of a convolution if its quantizer alone is behind it and rounds sums on a grid to a
    coarser one. They do of some means, too, of which those of ONNX Runtime are the slower ones.
    """
    op, quantize = chain.linear.op, chain.end.op
    if chain.between or x.codes is None or not isinstance(quantize, Quantize):
        return False
    if not _only_rounds(quantize.quantizer):
        return False
    if not isinstance(op, Conv) or chain.moves:
        return False
    if form(op, chain.linear.shape[-2], alone=True) is Form.WHOLE:
        return False
    found = weight.as_bytes
    if found is None:
        return False
    return op.bias is None or on_grid(op.bias, found.exps + x.codes.exp) is not None


def _requantized(
    chain: Chain,
    conv: Conv,
    weight: Weight,
    x: Value,
    b: Builder,
    placed: Phases | None = None,
) -> Write | None:
    assert x.codes is not None
    packed = b.packed and weight.array.size >= FEWEST
    found = requantized(chain, weight, x.codes, packed=packed, vnni=b.vnni)
    return None if found is None else partial(_written, chain, conv, found, x, b, placed)


def _written(
    chain: Chain, conv: Conv, found: Requantized, x: Value, b: Builder, placed: Phases | None
) -> Value:
    b.scope = chain.end.name
    if placed is not None:
        x = relayout(b, x, channels_first(x.rank))
        codes = convolved(conv, found, x, b, lambda w, _: stored_codes(b, w, "kernel"))
        return in_place(b, Value("", x.layout, codes), placed)
    return at_places(conv, found, chain.linear.shape, x, b, alone=not chain.between)
