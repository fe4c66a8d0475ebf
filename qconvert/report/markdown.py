"""The report as Markdown, for the page of a CI job."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from qconvert.checking.results import Finding, LayerResult, Report, Verdict, WeightResult
from qconvert.report import words
from qconvert.report.escape import markdown

_SIGNS: Final = {
    Verdict.PROVEN: "✅",
    Verdict.BOUNDED: "🟩",
    Verdict.SAMPLED: "🟨",
    Verdict.UNCHECKED: "❔",
    Verdict.DIFFERS: "❌",
}
_LAYERS: Final = ("layer", "class", "bits w/a", "verdict", "differing", "largest", "why")
#: Rows that are shown without a click.
_OPEN_ROWS: Final = 20


def to_markdown(report: Report) -> str:
    """GitHub's Markdown, which others read too; the same report gives the same text."""
    return "\n".join(_lines(report)) + "\n"


def of_failure(model: str, told: Sequence[str]) -> str:
    """The same of a *model* that could not be checked, because of what lines have *told*."""
    sign = _SIGNS[Verdict.DIFFERS]
    head = f"## {sign} qconvert check does not pass: ERROR"
    return "\n\n".join((head, *(markdown(line.strip()) for line in (model, *told)))) + "\n"


def _lines(report: Report) -> Iterator[str]:
    passed = "passes" if report.passed else "does not pass"
    yield f"## {_SIGNS[report.verdict]} qconvert check {passed}: {report.verdict.value}"
    yield ""
    yield markdown(words.files(report))
    yield ""
    yield markdown(words.summary(report))
    yield from _remarks(report)
    yield ""
    yield from _layers(report)
    yield ""
    yield "<details><summary>What was compared with what</summary>"
    yield ""
    yield from _table(("", ""), ((key, text) for key, text in words.provenance(report).items()))
    yield ""
    yield "</details>"


def _remarks(report: Report) -> Iterator[str]:
    remarks = [
        *(f"**not run** {markdown(f'{x.witness.value}: {x.failure}')}" for x in report.failed),
        *(f"**no pass** {markdown(text)}" for text in [words.short_of(report)] if text),
        *(f"**not compared** {name}" for name in words.missing(report)),
        *(
            f"**not repaired** {markdown(words.of_unrepaired(one))}"
            for one in report.repair.unrepaired
        ),
        *([f"**not found** {markdown(words.of_not_found(report))}"] if report.not_found else ()),
        *map(_weight, (w for w in report.weights if not w.verdict.passes)),
        *(f"**condition** {_since(*item)}" for item in words.conditions(report).items()),
        *(f"**assumed** {_since(*item)}" for item in words.assumptions(report).items()),
        *(
            f"**{markdown(name)}** is {markdown(text)}"
            for name, text in words.of_ignored(report).items()
        ),
        *(f"**{markdown(x.name)}**: TensorFlow's predict differs" for x in report.ambiguous),
    ]
    if remarks:
        yield ""
        yield from (f"- {remark}" for remark in remarks)


def _weight(weight: WeightResult) -> str:
    name = markdown(f"{weight.layer}/{weight.role}")
    return f"**weight {name}** {_SIGNS[weight.verdict]} {markdown(words.of_weight(weight))}"


def _since(text: str, name: str) -> str:
    return f"since {markdown(name)}: {markdown(text)}"


def _layers(report: Report) -> Iterator[str]:
    ignored = dict(report.ignored)
    rows = [_layer(layer, ignored=layer.name in ignored) for layer in report.layers]
    rows += [(output.name, "(output)", "", *_finding(output.finding)) for output in report.outputs]
    if len(rows) <= _OPEN_ROWS:
        yield from _table(_LAYERS, rows)
        return
    notable = sorted((row for row in rows if Verdict.PROVEN.value not in row[3]), key=_rank)
    if notable:
        yield from _table(_LAYERS, notable[:_OPEN_ROWS])
        yield ""
    yield f"<details><summary>All {len(report.layers)} layers</summary>"
    yield ""
    yield from _table(_LAYERS, rows)
    yield ""
    yield "</details>"


def _rank(row: Sequence[str]) -> int:
    """The worst first, as few of them are open; what does not count is in brackets."""
    order = [_shown(verdict) for verdict in reversed(list(Verdict))]
    return order.index(row[3]) if row[3] in order else len(order)


def _shown(verdict: Verdict) -> str:
    return f"{_SIGNS[verdict]} {verdict.value}"


def _layer(layer: LayerResult, *, ignored: bool) -> tuple[str, ...]:
    bits = [layer.weight_bits, layer.activation_bits]
    shown = "/".join("-" if b is None else str(b) for b in bits)
    verdict, *found = _finding(layer.finding)
    verdict = f"({verdict})" if ignored else verdict
    return (layer.name, layer.class_name, shown, verdict, *found)


def _finding(finding: Finding) -> tuple[str, ...]:
    return (_shown(finding.verdict), *words.seen(finding), words.why(finding))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(map(markdown, row))} |"
