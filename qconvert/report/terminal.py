"""The report for people: one line a layer, the first difference marked and shown in full."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.text import Text

from qconvert.check.compare import Difference, Example
from qconvert.check.results import Comparison, Finding, LayerResult, Report, Verdict
from qconvert.report.escape import printable

_STYLES: Final = {
    Verdict.PROVEN: "bold green",
    Verdict.BOUNDED: "green",
    Verdict.SAMPLED: "green",
    Verdict.UNCHECKED: "yellow",
    Verdict.DIFFERS: "red",
}
_HEADER: Final = ("layer", "class", "w", "a", "verdict", "differing", "largest", "")
_RIGHT: Final = {2, 3, 5, 6}


@dataclass(frozen=True, slots=True)
class _Row:
    marked: bool
    style: str
    cells: tuple[str, ...]


def show(report: Report, console: Console) -> None:
    """Print the report; *console* decides about colours."""
    for line in _lines(report):
        console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)


def _lines(report: Report) -> Iterator[Text]:
    yield from _head(report)
    yield Text()
    yield from _table(report)
    yield Text()
    yield from _details(report)
    yield from _notes(report)
    yield _summary(report)


def _head(report: Report) -> Iterator[Text]:
    onnx = "exported to memory" if report.onnx.path is None else printable(report.onnx.path)
    yield Text(f"model   {printable(str(report.model.path))}")
    yield Text(f"onnx    {onnx}")
    yield Text(f"inputs  {printable(report.inputs)}")
    for result in report.witnesses:
        if result.versions:
            versions = ", ".join(f"{name} {version}" for name, version in result.versions)
            yield Text(f"        {result.witness.value}: {printable(versions)}", "dim")


def _table(report: Report) -> Iterator[Text]:
    first = report.first_difference
    rows = [_Row(False, "dim", _HEADER)]
    rows += [_layer_row(layer, layer is first) for layer in report.layers]
    rows += [_output_row(output.name, output.finding) for output in report.outputs]
    widths = [max(len(row.cells[i]) for row in rows) for i in range(len(_HEADER))]
    return (_aligned(row, widths) for row in rows)


def _layer_row(layer: LayerResult, marked: bool) -> _Row:
    bits = (layer.weight_bits, layer.activation_bits)
    shown = tuple("" if b is None else str(b) for b in bits)
    finding = layer.finding
    name, class_name = printable(layer.name), printable(layer.class_name)
    return _Row(marked, _STYLES[finding.verdict], (name, class_name, *shown, *_cells(finding)))


def _output_row(name: str, finding: Finding) -> _Row:
    style = _STYLES[finding.verdict]
    return _Row(False, style, (printable(name), "(output)", "", "", *_cells(finding)))


def _cells(finding: Finding) -> tuple[str, str, str, str]:
    worst = finding.worst
    reason = printable(finding.reason)
    if worst is None:
        return finding.verdict.value, "", "", reason
    found = worst.difference
    return (
        finding.verdict.value,
        f"{found.differing} of {found.elements}",
        _largest(worst),
        reason,
    )


def _largest(comparison: Comparison) -> str:
    difference = comparison.difference
    if not difference.differing:
        return ""
    if comparison.largest_steps is not None:
        return _count(comparison.largest_steps, "step")
    return f"{difference.largest:.3g} ({_count(difference.largest_ulp, 'ulp', 'ulp')})"


def _count(number: float, one: str, many: str | None = None) -> str:
    return f"{number:g} {one if number == 1 else many or one + 's'}"


def _aligned(row: _Row, widths: Sequence[int]) -> Text:
    cells = (
        cell.rjust(width) if i in _RIGHT else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(row.cells, widths, strict=True))
    )
    line = Text("> " if row.marked else "  ", "bold red")
    line.append("  ".join(cells), row.style)
    line.rstrip()
    return line


def _details(report: Report) -> Iterator[Text]:
    first = report.first_difference
    if first is None:
        return
    yield Text(f"First difference: {printable(first.name)} ({printable(first.class_name)})", "bold")
    yield Text(f"  {printable(first.finding.reason)}")
    if first.finding.example:
        yield from _example(first.finding.example)
    for weight in report.weights:
        if weight.layer == first.name and weight.difference.first:
            yield Text(f"  weight {printable(weight.role)}: {_summary_of(weight.difference)}")
            yield from _example(weight.difference.first)
    yield Text()


def _example(example: Example) -> Iterator[Text]:
    yield Text(f"  at [{', '.join(map(str, example.index))}]")
    for witness, value in example.values:
        yield Text(f"    {witness.value:<26}{value!r}")
    for witness, shape in example.shapes:
        yield Text(f"    {witness.value:<26}shape {shape}")


def _summary_of(difference: Difference) -> str:
    return f"{difference.differing} of {difference.elements} elements differ"


def _notes(report: Report) -> Iterator[Text]:
    for result in report.failed:
        yield Text(f"{result.witness.value}: NOT RUN: {printable(result.failure or '')}", "yellow")
    for value in report.ambiguous:
        yield Text(
            f"reference ambiguous: TensorFlow's predict differs from model(x) at "
            f"{printable(value.name)}: {value.differing} of {value.elements} elements differ",
            "yellow",
        )
    wrong = [weight for weight in report.weights if not weight.verdict.passes]
    for weight in wrong:
        what = f"weight {printable(weight.layer)}/{printable(weight.role)}"
        detail = (
            _summary_of(weight.difference)
            if weight.verdict is Verdict.DIFFERS
            else "no counterpart in QKeras"
        )
        yield Text(f"{what}: {detail}", _STYLES[weight.verdict])


def _summary(report: Report) -> Text:
    counts = {verdict: 0 for verdict in Verdict}
    for layer in report.layers:
        counts[layer.finding.verdict] += 1
    of_layers = ", ".join(f"{n} {verdict.value}" for verdict, n in counts.items() if n)
    exact = sum(weight.verdict.passes for weight in report.weights)
    text = (
        f"{report.verdict.value}: {len(report.layers)} layers ({of_layers or 'none compared'}) "
        f"on {report.samples} samples; {exact} of {len(report.weights)} effective weights equal"
    )
    return Text(text, "bold " + _STYLES[report.verdict].removeprefix("bold "))
