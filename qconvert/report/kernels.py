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
            "in_float": [
                {"operator": one.operator, "reasons": list(one.reasons)} for one in each.in_float
            ],
        }
        for each in layers
    ]


def kernel_lines(layers: Sequence[LayerKernels]) -> Iterator[Text]:
    """A table, with the reasons below the layers that they are about."""
    rows = [("layer", "runs as")]
    for each in layers:
        rows.append((printable(each.layer) or "(unknown)", _counted(each.operators)))
        rows += [("", f"in float: {printable(_because(one))}") for one in each.in_float]
    yield from aligned(rows)


def _counted(operators: Sequence[str]) -> str:
    """The operators in the order in which they first occur."""
    counts = Counter(operators)
    shown = (name if n == 1 else f"{n} {name}" for name, n in counts.items())
    return printable(", ".join(shown)) or "nothing of its own"


def _because(one: InFloat) -> str:
    return f"{one.operator}: {'; '.join(one.reasons) or 'no reason shows in the file'}"
