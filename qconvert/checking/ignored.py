"""Layers whose verdicts a user wants not to count."""

from collections.abc import Mapping

from qconvert.checking.results import Report
from qconvert.errors import UsageError, similar
from qconvert.ir import Graph


def require_ignorable(graph: Graph, ignored: Mapping[str, str]) -> None:
    """`UsageError` for what is no layer, is an output of the model, or is ignored for no reason."""
    values = {layer.name: layer.value for layer in graph.layers}
    for name, reason in ignored.items():
        if name not in values:
            hint = similar(name, values)
            raise UsageError("QC015", f"there is no layer {name!r} to ignore{hint}")
        if values[name] in graph.returned:
            raise UsageError("QC015", f"the layer {name!r} is an output, which cannot be ignored")
        if not reason.strip():
            raise UsageError("QC015", f"say why the layer {name!r} is ignored: {name}=REASON")


def needlessly_ignored(report: Report) -> tuple[str, ...]:
    """The layers that are ignored and would pass."""
    ignored = dict(report.ignored)
    wrong = {weight.layer for weight in report.weights if not weight.verdict.passes}
    return tuple(
        layer.name
        for layer in report.layers
        if layer.name in ignored
        and layer.name not in wrong
        and not layer.finding.verdict.is_weaker_than(report.required)
    )
