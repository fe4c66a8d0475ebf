"""The report for people: one line a layer, the first difference marked and shown in full."""

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.text import Text

from qconvert.checking.compare import Difference, Example
from qconvert.checking.results import (
    Bound,
    ByValue,
    Comparison,
    Finding,
    LayerResult,
    OutputResult,
    Report,
    Verdict,
    WeightResult,
)
from qconvert.checking.weights import FOLDED
from qconvert.checking.witness import Witness
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
_MOST_ULP: Final = 1 << 16


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
    yield from _assumptions(report)
    yield from _conditions(report)
    yield _summary(report)


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
    rows = [_layer_cells(layer) for layer in report.layers]
    rows += [
        (printable(output.name), "(output)", "", "", *_cells(output.finding))
        for output in report.outputs
    ]
    results: tuple[LayerResult | OutputResult, ...] = (*report.layers, *report.outputs)
    styles = [_STYLES[result.finding.verdict] for result in results]
    marked = [i for i, layer in enumerate(report.layers, 1) if layer is first]
    return aligned([_HEADER, *rows], styles=styles, marked=marked, right=_RIGHT)


def _layer_cells(layer: LayerResult) -> tuple[str, ...]:
    bits = (layer.weight_bits, layer.activation_bits)
    shown = ("" if b is None else str(b) for b in bits)
    kind = f"{layer.class_name} (opaque)" if layer.converter else layer.class_name
    return (printable(layer.name), printable(kind), *shown, *_cells(layer.finding))


def _cells(finding: Finding) -> tuple[str, str, str, str]:
    worst = finding.worst
    if finding.verdict is Verdict.PROVEN or not finding.reason:
        reason = printable(_argument(finding))
    else:
        reason = printable("; ".join(filter(None, (finding.reason, _bound(finding.bound)))))
    if worst is None:
        return finding.verdict.value, "", "", reason
    found = worst.difference
    return (
        finding.verdict.value,
        f"{found.differing} of {found.elements}",
        _largest(worst),
        reason,
    )


def _argument(finding: Finding) -> str:
    """Why it is proven, or what stands in the way, and what is known instead."""
    if finding.proof is None:
        return "; ".join(part for part in (finding.doubt, _bound(finding.bound)) if part)
    bits, states = finding.proof.bits, finding.proof.states
    told = ", ".join(finding.proof.arguments)
    if states:
        told += f": {finding.proof.near} of {states} states"
    if finding.proof.numbers:
        told += f": {finding.proof.numbers} numbers tried"
    return told if bits is None else f"{told}: {bits} of 24 bits"


def _bound(bound: Bound | None) -> str:
    if bound is None or not bound.largest:
        return ""
    size = f"{bound.largest:.3g}" if bound.steps is None else _count(bound.steps, "step")
    told = f"off by {size} at most"
    if bound.example is None:
        return told
    numbers = " and ".join(f"{name} is {value:g}" for name, value in bound.example.values)
    where = f"as where {numbers} in channel {bound.example.channel}"
    return f"{told}, in {bound.near} of {bound.states} states, {where}"


def _largest(comparison: Comparison) -> str:
    difference = comparison.difference
    if not difference.differing:
        return ""
    if comparison.largest_steps is not None:
        return _count(comparison.largest_steps, "step")
    if difference.largest_ulp > _MOST_ULP:
        # Beside a number next to 0 the count says nothing.
        return f"{difference.largest:.3g}"
    return f"{difference.largest:.3g} ({_count(difference.largest_ulp, 'ulp', 'ulp')})"


def _count(number: float, one: str, many: str | None = None) -> str:
    return f"{number:g} {one if number == 1 else many or one + 's'}"


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


def _summary_of(difference: Difference) -> str:
    return f"{difference.differing} of {difference.elements} elements differ"


def _assumptions(report: Report) -> Iterator[Text]:
    """What the proofs assume, each with the first layer that needs it."""
    first: dict[str, str] = {}
    for layer in report.layers:
        for text in layer.finding.proof.assumptions if layer.finding.proof else ():
            first.setdefault(text, layer.name)
    for text, name in first.items():
        yield Text(f"assumed since {printable(name)}: {printable(text)}", "dim")


def _conditions(report: Report) -> Iterator[Text]:
    """What has to hold where the file runs, each with the first layer, or output, that needs it."""
    first: dict[str, str] = {}
    results: tuple[LayerResult | OutputResult, ...] = (*report.layers, *report.outputs)
    for result in results:
        for text in result.finding.conditions:
            first.setdefault(text, result.name)
    for text, name in first.items():
        yield Text(f"condition since {printable(name)}: {printable(text)}", "yellow")


def _notes(report: Report) -> Iterator[Text]:
    for result in report.failed:
        first, *others = lines_of(result.failure or "")
        yield Text(f"{result.witness.value}: NOT RUN: {first}", "yellow")
        yield from (Text(f"  {line}", "yellow") for line in others)
    if report.verdict.passes and not report.passed:
        yield Text(f"no pass: {report.required.value} is required{_short_of(report)}", "red")
    for missing in (not report.samples and "samples", not report.outputs and "outputs"):
        if missing:
            yield Text(f"no {missing} were compared", "yellow")
    if report.not_found:
        yield Text(_of_not_found(report), "yellow")
    for line in note_lines((layer.name, layer.notes) for layer in report.layers):
        yield Text(line, "yellow")
    if any("no declared domain" in layer.finding.doubt for layer in report.layers):
        yield Text("--domain says what an input can be, such as uint8/255 for pixels", "dim")
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
            yield Text(f"{what}: {_detail(weight)}", _STYLES[weight.verdict])


def _of_not_found(report: Report) -> str:
    names = ", ".join(map(printable, report.not_found))
    return (
        f"{len(report.not_found)} of {len(report.layers)} layers were not found in the file, "
        f"so that the verdict rests on what is behind them, in the end the outputs: {names}"
    )


def _detail(weight: WeightResult) -> str:
    if weight.stored is not None and weight.stored.differing:
        return f"{_summary_of(weight.stored)} in the ONNX file"
    match weight.verdict:
        case Verdict.UNCHECKED:
            return "no counterpart in QKeras"
        case Verdict.BOUNDED:
            return f"{_summary_of(weight.difference)}: {FOLDED}"
        case _:
            return _summary_of(weight.difference)


def _short_of(report: Report) -> str:
    """The layers and outputs of which less is known than is required."""
    order = list(Verdict)
    results: tuple[LayerResult | OutputResult, ...] = (*report.layers, *report.outputs)
    names = [
        printable(one.name)
        for one in results
        if order.index(one.finding.verdict) > order.index(report.required)
    ]
    more = f" and {len(names) - 3} more" if names[3:] else ""
    return f", which is not known of {', '.join(dict.fromkeys(names[:3]))}{more}" if names else ""


def _summary(report: Report) -> Text:
    counts = dict.fromkeys(Verdict, 0)
    for layer in report.layers:
        counts[layer.finding.verdict] += 1
    of_layers = ", ".join(f"{n} {verdict.value}" for verdict, n in counts.items() if n)
    text = (
        f"{report.verdict.value}: {len(report.layers)} layers ({of_layers or 'none'}) "
        f"on {report.samples} samples; {_of_weights(report)}"
    )
    return Text(text, "bold " + _STYLES[report.verdict].removeprefix("bold "))


def _of_weights(report: Report) -> str:
    count = len(report.weights)
    if count and all(weight.verdict is Verdict.UNCHECKED for weight in report.weights):
        return f"the {count} effective weights were not compared with QKeras's"
    compared = [w for w in report.weights if w.verdict is not Verdict.UNCHECKED]
    exact = sum(not weight.difference.differing for weight in compared)
    equal = f"{exact} of {count} effective weights equal QKeras's"
    if report.by_value is not None:
        return f"{equal}; those of the file are not read"
    stored = [weight.stored for weight in report.weights if weight.stored is not None]
    in_file = sum(not found.differing for found in stored)
    return f"{equal}, {in_file} of {len(stored)} found in the file equal these"
