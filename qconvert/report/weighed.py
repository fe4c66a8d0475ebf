"""Costs and weights of a summary as tables."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from rich.text import Text

from qconvert.report.columns import aligned
from qconvert.report.escape import printable, shortened

if TYPE_CHECKING:
    from qconvert.ir import Shape
    from qconvert.report.summary import Codes, LayerSummary, Summary, Tensor
    from qconvert.weighing.costs import Cost
    from qconvert.weighing.weights import Scales, Weighed

_COSTS: Final = ("layer", "bits", "sums", "multiplications", "bit operations", "bytes", "float32")
WEIGHTS: Final = ("weight", "shape", "quantized", "codes", "zeros", "outside", "at ends")
_TENSORS: Final = ("tensor", "type", "shape", "bytes", "values", "zeros")
#: A number that depends on a size which is not known.
_OPEN: Final = "?"


def weighed_lines(summary: Summary) -> Iterator[Text]:
    """Costs of layers, how weights are spread over their codes, and the tensors of a file."""
    costs = [_cost_cells(each) for each in summary.layers if each.cost or each.weights]
    weights = [weight_cells(each.name, one) for each in summary.layers for one in each.weights]
    tensors = [_tensor_cells(tensor) for tensor in summary.tensors]
    yield from _table(_COSTS, costs, right=range(1, 7))
    yield from _table(WEIGHTS, weights, right=range(3, 7))
    yield from _table(_TENSORS, tensors, right=range(3, 6))


def _table(
    header: Sequence[str], rows: Sequence[Sequence[str]], right: Container[int]
) -> Iterator[Text]:
    """With an empty line before it; columns in which nothing stands are left out."""
    filled = [i for i in range(len(header)) if any(row[i] for row in rows)]
    if filled:
        yield Text()
        flush = {place for place, i in enumerate(filled) if i in right}
        yield from aligned([[row[i] for i in filled] for row in (header, *rows)], right=flush)


def quantized_by(codes: Codes) -> str:
    """The quantizer, and its grid if it has one."""
    grid = codes.grid
    shown_grid = "" if grid is None else f"  [{grid.lo}..{grid.hi}] * 2**{grid.exp}"
    return shortened(codes.quantizer) + shown_grid


def shown(shape: Shape) -> str:
    """Sizes; open ones as ``?``."""
    return "x".join("?" if n is None else str(n) for n in shape) or "scalar"


def _cost_cells(layer: LayerSummary) -> tuple[str, ...]:
    weighed = [weight.weighed for weight in layer.weights if weight.weighed]
    quantized = -(-sum(each.total_bits for each in weighed) // 8)
    stored = sum(weight.bytes for weight in layer.weights)
    sizes = (f"{quantized:,}", f"{stored:,}") if layer.weights else ("", "")
    products = ("",) * 4 if layer.cost is None else _product_cells(layer.cost)
    return (printable(layer.name), *products, *sizes)


def _product_cells(cost: Cost) -> tuple[str, str, str, str]:
    bits = "" if cost.weight_bits is None else f"{cost.weight_bits} x {cost.input_bits}"
    sums = "" if cost.weight_bits is None else _OPEN
    operations = "" if cost.weight_bits is None else _counted(cost.bit_operations)
    sums = sums if cost.accumulator is None else str(cost.accumulator.bits)
    return bits, sums, _counted(cost.multiplications), operations


def weight_cells(layer: str, weight: Tensor) -> tuple[str, ...]:
    """How a weight is spread over its codes, in the columns `WEIGHTS`."""
    name = printable(f"{layer}/{weight.name}")
    found = weight.weighed
    if found is None:
        return name, shown(weight.shape), weight.type, "", "", "", ""
    quantized = _coded(found) or (quantized_by(weight.codes) if weight.codes else weight.type)
    codes = str(found.distinct) if found.codes is None else f"{found.distinct} of {found.codes}"
    ends = ("" if n is None else f"{n:,}" for n in (found.outside, found.at_ends))
    return name, shown(weight.shape), quantized, codes, _share(found.zeros, found.elements), *ends


def _tensor_cells(tensor: Tensor) -> tuple[str, ...]:
    found = tensor.weighed
    spread = (
        ("", "") if found is None else (str(found.distinct), _share(found.zeros, found.elements))
    )
    return printable(tensor.name), tensor.type, shown(tensor.shape), f"{tensor.bytes:,}", *spread


def _coded(found: Weighed) -> str:
    """Bits, codes and scale; nothing of what has no codes."""
    if found.scales is None:
        return ""
    codes = f"{found.lo}, {found.hi}" if found.codes == 2 else f"[{found.lo}..{found.hi}]"
    bits = "1 bit" if found.bits == 1 else f"{found.bits} bits"
    return f"{bits}  {codes} * {_scale(found.scales)}"


def _scale(scales: Scales) -> str:
    least, greatest = map(_number, (scales.least, scales.greatest))
    return least if scales.count == 1 else f"{least}..{greatest} ({scales.count} scales)"


def _number(value: float) -> str:
    mantissa, exponent = math.frexp(value)
    return f"2**{exponent - 1}" if mantissa == 0.5 else f"{value:.3g}"


def _counted(count: int | None) -> str:
    return _OPEN if count is None else f"{count:,}"


def _share(part: int, whole: int) -> str:
    return f"{part / max(whole, 1):.1%}"
