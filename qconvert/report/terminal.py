"""The report for people: one line a layer, the first difference marked and shown in full."""

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.text import Text

from qconvert.checking.compare import Example
from qconvert.checking.repair.moves import NOT_REPAIRED
from qconvert.checking.results import (
    ByValue,
    Finding,
    LayerResult,
    OutputResult,
    Report,
    Verdict,
)
from qconvert.checking.witness import Witness
from qconvert.report import words
from qconvert.report.columns import aligned
from qconvert.report.escape import printable
from qconvert.report.failure import lines_of
from qconvert.report.notes import note_lines
from qconvert.report.repair import repair_lines

_STYLES: Final = {
    Verdict.PROVEN: "bold green",
    Verdict.BOUNDED: "green",
    Verdict.SAMPLED: "green",
    Verdict.UNCHECKED: "yellow",
    Verdict.DIFFERS: "red",
}
_HEADER: Final = ("layer", "class", "w", "a", "verdict", "differing", "largest", "")
_RIGHT: Final = (2, 3, 5, 6)


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
    yield from _reproducer(report)
    yield from repair_lines(report.repair)
    yield from _notes(report)
    for text, name in words.assumptions(report).items():
        yield Text(f"assumed since {printable(name)}: {printable(text)}", "dim")
    for text, name in words.conditions(report).items():
        yield Text(f"condition since {printable(name)}: {printable(text)}", "yellow")
    yield Text(words.summary(report), "bold " + _STYLES[report.verdict].removeprefix("bold "))


def _head(report: Report) -> Iterator[Text]:
    onnx = "exported to memory" if report.onnx.path is None else printable(report.onnx.path)
    yield Text(f"model   {printable(str(report.model.path))}")
    yield Text(f"onnx    {onnx}")
    if report.by_value is not None:
        yield from _interface(report.by_value)
    yield Text(f"inputs  {printable(report.inputs)}")
    for result in report.witnesses:
        if result.versions:
            versions = ", ".join(f"{name} {version}" for name, version in result.versions)
            yield Text(f"        {result.witness.value}: {printable(versions)}", "dim")


def _interface(found: ByValue) -> Iterator[Text]:
    """How a file was read that does not say what stands where."""
    yield Text("        not written by qconvert: layers are found by their values")
    for what, places in (("input", found.inputs), ("output", found.outputs)):
        for name, place in places:
            yield Text(f"        {what} {printable(name)}: {printable(place)}", "dim")


def _table(report: Report) -> Iterator[Text]:
    first = report.first_difference
    ignored = dict(report.ignored)
    rows = [_layer_cells(layer, ignored=layer.name in ignored) for layer in report.layers]
    rows += [
        (printable(output.name), "(output)", "", "", *_cells(output.finding))
        for output in report.outputs
    ]
    results: tuple[LayerResult | OutputResult, ...] = (*report.layers, *report.outputs)
    styles = [_STYLES[result.finding.verdict] for result in results]
    marked = [i for i, layer in enumerate(report.layers, 1) if layer is first]
    return aligned([_HEADER, *rows], styles=styles, marked=marked, right=_RIGHT)


def _layer_cells(layer: LayerResult, *, ignored: bool) -> tuple[str, ...]:
    bits = (layer.weight_bits, layer.activation_bits)
    shown = ("" if b is None else str(b) for b in bits)
    kind = f"{layer.class_name} (opaque)" if layer.converter else layer.class_name
    verdict, *found = _cells(layer.finding)
    verdict = f"({verdict})" if ignored else verdict
    return (printable(layer.name), printable(kind), *shown, verdict, *found)


def _cells(finding: Finding) -> tuple[str, str, str, str]:
    return finding.verdict.value, *words.seen(finding), printable(words.why(finding))


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
            told = words.elements_that_differ(weight.difference)
            yield Text(f"  weight {printable(weight.role)}: {told}")
            yield from _example(weight.difference.first)
    yield Text()


def _reproducer(report: Report) -> Iterator[Text]:
    if report.reproducer is not None:
        path, summary = report.reproducer.path, report.reproducer.summary
        yield Text(f"reproducer  {printable(path)}: {printable(summary)}")
        yield Text()


def _example(example: Example) -> Iterator[Text]:
    yield Text(f"  at [{', '.join(map(str, example.index))}]")
    for witness, value in example.values:
        yield Text(f"    {witness.value:<26}{value!r}")
    for witness, shape in example.shapes:
        yield Text(f"    {witness.value:<26}shape {shape}")


def _has_other_codes(layer: LayerResult) -> bool:
    """Whether a quantizer was seen to return others than TensorFlow, which rounding explains."""
    worst = layer.finding.worst
    differing = worst is not None and worst.difference.differing > 0
    bounded = layer.finding.verdict is Verdict.BOUNDED
    return bounded and layer.activation_bits is not None and differing


def _notes(report: Report) -> Iterator[Text]:
    for result in report.failed:
        first, *others = lines_of(result.failure or "")
        yield Text(f"{result.witness.value}: NOT RUN: {first}", "yellow")
        yield from (Text(f"  {line}", "yellow") for line in others)
    if short := words.short_of(report):
        yield Text(f"no pass: {printable(short)}", "red")
    for name in words.missing(report):
        yield Text(f"no {name} were compared", "yellow")
    if report.not_found:
        yield Text(printable(words.of_not_found(report)), "yellow")
    for name, text in words.of_ignored(report).items():
        yield Text(f"layer {printable(name)} is {printable(text)}", "yellow")
    for line in note_lines((layer.name, layer.notes) for layer in report.layers):
        yield Text(line, "yellow")
    if any("no declared domain" in layer.finding.doubt for layer in report.layers):
        yield Text("--domain says what an input can be, such as uint8/255 for pixels", "dim")
    if report.repair == NOT_REPAIRED and any(map(_has_other_codes, report.layers)):
        yield Text("--repair FILE looks for constants that return TensorFlow's codes", "dim")
    for value in report.ambiguous:
        yield Text(
            f"reference ambiguous: TensorFlow's predict differs from model(x) at "
            f"{printable(value.name)}: {value.differing} of {value.elements} elements differ",
            "yellow",
        )
    # Without TensorFlow no weight has a counterpart; its failure is told above.
    lost = any(result.witness is Witness.TENSORFLOW for result in report.failed)
    silent = (Verdict.PROVEN, Verdict.UNCHECKED) if lost else (Verdict.PROVEN,)
    for weight in report.weights:
        if weight.verdict not in silent:
            what = f"weight {printable(weight.layer)}/{printable(weight.role)}"
            yield Text(f"{what}: {words.of_weight(weight)}", _STYLES[weight.verdict])
