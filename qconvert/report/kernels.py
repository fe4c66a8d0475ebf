"""What ONNX Runtime runs for each layer, as JSON and for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from qconvert.report.columns import aligned
from qconvert.report.escape import printable

if TYPE_CHECKING:
    from qconvert.checking.deployed.by_layer import InFloat, LayerKernels
    from qconvert.report.document import Json


def kernels_as_json(layers: Sequence[LayerKernels] | None) -> Json:
    """By layer its operators, and the products of the file that are computed in float."""
    if layers is None:
        return None
    return [
        {
            "layer": each.layer,
            "operators": list(each.operators),
            "shared_with": list(each.shared_with),
            "in_float": [
                {"operator": one.operator, "reasons": list(one.reasons)} for one in each.in_float
            ],
            "remarks": list(each.remarks),
        }
        for each in layers
    ]


def kernel_lines(layers: Sequence[LayerKernels]) -> Iterator[Text]:
    """A table, with the reasons below the layers that they are about, and who explains these."""
    rows = [("layer", "runs as")]
    unnamed = "(no layer)" if any(each.layer for each in layers) else "(unknown)"
    for each in layers:
        rows.append((printable(each.layer) or unnamed, _runs_as(each)))
        rows += [("", f"in float: {printable(_because(one))}") for one in each.in_float]
        rows += [("", printable(remark)) for remark in each.remarks]
    yield from aligned(rows)
    if any(each.in_float or each.remarks for each in layers):
        yield Text("docs/METADATA.md (Which layer runs as which kernel) tells what to do", "dim")


def _runs_as(layer: LayerKernels) -> str:
    """Operators that an earlier layer has are not said again."""
    others = " and ".join(map(printable, layer.shared_with))
    said = filter(None, (_counted(layer.own), others and f"with {others}"))
    return ", ".join(said) or "nothing of its own"


def _counted(operators: Sequence[str]) -> str:
    """The operators in the order in which they first occur."""
    counts = Counter(operators)
    shown = (name if n == 1 else f"{n} {name}" for name, n in counts.items())
    return printable(", ".join(shown))


def _because(one: InFloat) -> str:
    return f"{one.operator}: {'; '.join(one.reasons) or 'no reason shows in the file'}"
