"""The report as JUnit XML: a test case for each layer, weight, output and witness."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree as Tree

from qconvert.checking.results import Finding, Report, Verdict
from qconvert.report import words
from qconvert.report.escape import printable


@dataclass(frozen=True, slots=True)
class _Case:
    """A test: nothing to say of it is a pass."""

    suite: str
    name: str
    outcome: Literal["failure", "error", "skipped"] | None = None
    kind: str = ""
    message: str = ""


def to_junit(report: Report) -> str:
    """JUnit XML, as Jenkins's ``junit-10.xsd`` describes it; the same report gives the same text.

    What differs, or of which less is known than is required, is a failure; what could not be
    compared is an error. Layers that a file of another converter does not show are skipped, and so
    are those that the user ignores.
    """
    suites: dict[str, list[_Case]] = {}
    for case in _cases(report):
        suites.setdefault(case.suite, []).append(case)
    root = Tree.Element("testsuites", {"name": "qconvert check", **_counts(_cases(report))})
    for name, cases in suites.items():
        suite = Tree.SubElement(root, "testsuite", {"name": name, **_counts(cases)})
        properties = Tree.SubElement(suite, "properties")
        for key, value in words.provenance(report).items():
            Tree.SubElement(properties, "property", name=printable(key), value=printable(value))
        for case in cases:
            _append(suite, case)
    Tree.indent(root)
    return Tree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _append(suite: Tree.Element, case: _Case) -> None:
    element = Tree.SubElement(
        suite, "testcase", name=printable(case.name), classname=f"qconvert.{case.suite}"
    )
    if case.outcome:
        Tree.SubElement(element, case.outcome, type=case.kind, message=printable(case.message))


def _cases(report: Report) -> Iterator[_Case]:
    for result in report.witnesses:
        lost = result.failure is not None
        yield _Case(
            "witnesses", result.witness.value, "error" if lost else None, "NOT RUN",
            result.failure or "",
        )  # fmt: skip
    unseen, ignored = set(report.not_found), words.of_ignored(report)
    for layer in report.layers:
        if layer.name in ignored:
            yield _skipped("layers", layer.name, layer.finding.verdict, ignored[layer.name])
            continue
        hidden = layer.name in unseen and layer.finding.verdict is Verdict.UNCHECKED
        yield _of_finding("layers", layer.name, layer.finding, report.required, hidden=hidden)
    for weight in report.weights:
        if weight.layer in ignored:
            name = f"{weight.layer}/{weight.role}"
            yield _skipped("weights", name, weight.verdict, ignored[weight.layer])
            continue
        outcome = _outcome(weight.verdict, report.required)
        name, told = f"{weight.layer}/{weight.role}", words.of_weight(weight)
        yield _Case("weights", name, outcome, weight.verdict.value, told)
    for output in report.outputs:
        yield _of_finding("outputs", output.name, output.finding, report.required)
    for name in words.missing(report):
        yield _Case("comparison", name, "error", "UNCHECKED", f"no {name} were compared")
    for one in report.repair.unrepaired:
        name = f"{one.layer}, channel {one.channel}"
        yield _Case("repair", name, "failure", "DIFFERS", words.of_unrepaired(one))


def _skipped(suite: str, name: str, verdict: Verdict, told: str) -> _Case:
    """What does not count, with what it would be."""
    return _Case(suite, name, "skipped", verdict.value, f"{verdict.value}, {told}")


def _of_finding(
    suite: str, name: str, finding: Finding, required: Verdict, *, hidden: bool = False
) -> _Case:
    outcome = "skipped" if hidden else _outcome(finding.verdict, required)
    return _Case(suite, name, outcome, finding.verdict.value, words.why(finding))


def _outcome(verdict: Verdict, required: Verdict) -> Literal["failure", "error"] | None:
    if verdict is Verdict.UNCHECKED:
        return "error"
    order = list(Verdict)
    return "failure" if order.index(verdict) > order.index(required) else None


def _counts(cases: Iterable[_Case]) -> dict[str, str]:
    found = [case.outcome for case in cases]
    return {
        "tests": str(len(found)),
        "failures": str(found.count("failure")),
        "errors": str(found.count("error")),
    }
