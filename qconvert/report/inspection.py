"""The summary of a model as JSON and for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from qconvert.amounts import amount
from qconvert.ir import Shape
from qconvert.report.columns import aligned
from qconvert.report.described import (
    held_by_tensor,
    metadata_as_json,
    metadata_lines,
    stamp_as_json,
    stamp_lines,
)
from qconvert.report.escape import printable, shortened
from qconvert.report.kernels import kernel_lines, kernels_as_json
from qconvert.report.notes import note_lines
from qconvert.report.summary import Codes, LayerSummary, Summary, Tensor
from qconvert.report.weighed import quantized_by, shown, weighed_lines

if TYPE_CHECKING:
    from qconvert.report.document import Json
    from qconvert.weighing.costs import Cost

SCHEMA: Final = "qconvert.summary/1"
#: Bits up to which a file does without QKeras's straight-through expression.
_SATURATING_BITS: Final = 8
_SATURATING: Final = (
    f"quantizers of up to {_SATURATING_BITS} bits saturate, and equal QKeras's for inputs within"
    " 65,536 times their range"
)


def to_json(summary: Summary) -> str:
    """The summary as a JSON document; the same summary gives the same text."""
    document = {
        "schema": SCHEMA,
        "format": summary.format,
        "name": summary.name,
        "inputs": [_named(name, shape) for name, shape in summary.inputs],
        "outputs": [_named(name, shape) for name, shape in summary.outputs],
        "layers": [_layer(layer) for layer in summary.layers],
        "tensors": [_tensor(tensor) for tensor in summary.tensors],
        "operators": dict(summary.operators),
        "bytes": summary.bytes,
        "totals": asdict(summary.totals),
        "metadata": metadata_as_json(summary.metadata),
        "check": stamp_as_json(summary.stamp, fits=summary.stamped),
        "optimized": kernels_as_json(summary.kernels),
    }
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def show(summary: Summary, console: Console) -> None:
    """Print the summary; *console* decides about colours."""
    for line in _lines(summary):
        console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)


def _named(name: str, shape: Shape) -> Json:
    return {"name": name, "shape": list(shape)}


def _layer(layer: LayerSummary) -> Json:
    return {
        "name": layer.name,
        "class_name": layer.class_name,
        "converter": layer.converter,
        "shape": None if layer.shape is None else list(layer.shape),
        "activation": _codes(layer.activation),
        "weights": [_tensor(weight) for weight in layer.weights],
        "tensor": layer.tensor,
        "fused_into": layer.fused_into,
        "notes": list(layer.notes),
        "cost": None if layer.cost is None else _cost(layer.cost),
    }


def _cost(cost: Cost) -> Json:
    found = cost.accumulator
    return {**asdict(cost), "accumulator": found and {"bits": found.bits, **asdict(found)}}


def _tensor(tensor: Tensor) -> Json:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "type": tensor.type,
        "bytes": tensor.bytes,
        "codes": _codes(tensor.codes),
        "weighed": None if tensor.weighed is None else asdict(tensor.weighed),
    }


def _codes(codes: Codes | None) -> Json:
    if codes is None:
        return None
    grid = codes.grid
    return {
        "quantizer": codes.quantizer,
        "bits": codes.bits,
        "grid": None if grid is None else {"lo": grid.lo, "hi": grid.hi, "exp": grid.exp},
    }


def _lines(summary: Summary) -> Iterator[Text]:
    yield Text(f"{summary.format} model {shortened(summary.name)}", "bold")
    held = held_by_tensor(summary.metadata)
    for kind, values in (("input", summary.inputs), ("output", summary.outputs)):
        for name, shape in values:
            integers = f" is {held[name]}" if name in held else ""
            yield Text(f"{kind:<7} {shortened(name)} {shown(shape)}{integers}")
    yield from map(Text, metadata_lines(summary.metadata))
    yield from map(Text, stamp_lines(summary.stamp, fits=summary.stamped))
    yield Text()
    yield from aligned([("layer", "class", "output", "quantized"), *_rows(summary.layers)])
    yield from weighed_lines(summary)
    if summary.operators:
        yield Text()
        counted = ", ".join(f"{n} {shortened(name)}" for name, n in summary.operators)
        yield Text(f"operators  {counted}")
    if summary.kernels is not None:
        yield Text()
        yield from kernel_lines(summary.kernels)
    yield Text()
    for line in note_lines((layer.name, layer.notes) for layer in summary.layers):
        yield Text(line, "yellow")
    if any(_saturates(layer.activation) for layer in summary.layers):
        yield Text(_SATURATING)
    for line in _totals(summary):
        yield Text(line, "bold")


def _totals(summary: Summary) -> Iterator[str]:
    found = summary.totals
    counts = [(found.multiplications, "multiplications"), (found.bit_operations, "bit operations")]
    known = (f"{count:,} {name}" for count, name in counts if count is not None)
    yield ", ".join([amount(len(summary.layers), "layer"), *known])
    stored = f", {summary.bytes:,} as they are stored" if found.bytes != summary.bytes else ""
    zeros = found.zeros / max(found.elements, 1)
    yield f"{found.bytes:,} bytes of weights{stored}, {zeros:.1%} of them 0"


def _saturates(codes: Codes | None) -> bool:
    """Whether the limit concerns a quantizer; an ONNX file holds its codes and not its bits."""
    return codes is not None and (codes.bits is None or codes.bits <= _SATURATING_BITS)


def _rows(layers: tuple[LayerSummary, ...]) -> Iterator[tuple[str, ...]]:
    for layer in layers:
        fused = f"inside of {layer.fused_into}" if layer.fused_into else ""
        where = layer.tensor or fused if layer.shape is None else shown(layer.shape)
        kind = f"{layer.class_name} (opaque)" if layer.converter else layer.class_name
        quantized = "" if layer.activation is None else quantized_by(layer.activation)
        yield printable(layer.name), printable(kind), printable(where), quantized
