"""What GitHub shows of a check beside a change: annotations, as commands in the log of the job."""

from collections.abc import Iterator, Sequence

from qconvert.checking.results import Report, Verdict
from qconvert.report import words
from qconvert.report.escape import annotation, annotation_property


def annotations(report: Report) -> Iterator[str]:
    """A line for each thing that is no pass, and one with the verdict; GitHub shows ten of a kind.

    Layers that differ by themselves come first.
    """
    ignored = words.of_ignored(report)
    differing = [
        layer
        for layer in report.layers
        if layer.finding.verdict is Verdict.DIFFERS and layer.name not in ignored
    ]
    for layer in sorted(differing, key=lambda x: bool(x.finding.inherited_from)):
        yield _command("error", f"layer {layer.name} differs", words.why(layer.finding))
    for weight in report.weights:
        if weight.verdict is Verdict.DIFFERS and weight.layer not in ignored:
            name = f"weight {weight.layer}/{weight.role} differs"
            yield _command("error", name, words.of_weight(weight))
    for output in report.outputs:
        if output.finding.verdict is Verdict.DIFFERS:
            yield _command("error", f"output {output.name} differs", words.why(output.finding))
    for one in report.repair.unrepaired:
        yield _command("error", f"layer {one.layer} differs", words.of_unrepaired(one))
    if lacking := words.not_compared(report):
        yield _command("error", "not everything was compared", lacking)
    if short := words.short_of(report):
        yield _command("error", "less is known than required", short)
    for result in report.failed:
        yield _command("warning", f"{result.witness.value} did not run", result.failure or "")
    for name, text in ignored.items():
        yield _command("warning", f"layer {name} does not count", text)
    passed = "passes" if report.passed else "does not pass"
    yield _command("notice", f"{report.verdict.value}, {passed}", words.summary(report))


def failure(model: str, told: Sequence[str]) -> str:
    """The command for a *model* that could not be checked, because of what lines have *told*."""
    return _command("error", f"{model} could not be checked", *told)


def _command(kind: str, title: str, *lines: str) -> str:
    text = "%0A".join(map(annotation, lines))
    return f"::{kind} title={annotation_property(f'qconvert: {title}')}::{text}"
