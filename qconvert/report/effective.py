"""Effective weights for those who ask for them from Python: a notebook shows a table of them."""

from collections.abc import Iterable
from html import escape

from qconvert.ir import F32, Layer
from qconvert.report.summary import tensor_of
from qconvert.report.weighed import WEIGHTS, weight_cells


class EffectiveWeights(dict[str, dict[str, F32]]):
    """The weights that each layer computes with, by layer name and role."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._layers = tuple(layer for layer in layers if layer.weights)
        super().__init__(
            (layer.name, {role: weight.effective for role, weight in layer.weights.items()})
            for layer in self._layers
        )

    def _repr_html_(self) -> str:
        """Of each weight as it was read, its codes, and how its numbers are spread over them."""
        rows = [
            weight_cells(layer.name, tensor_of(role, weight))
            for layer in self._layers
            for role, weight in layer.weights.items()
        ]
        body = "".join(_row("td", cells) for cells in rows)
        return f"<table><thead>{_row('th', WEIGHTS)}</thead><tbody>{body}</tbody></table>"


def _row(kind: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{kind}>{escape(cell)}</{kind}>' for cell in cells)}</tr>"
