"""The report as SARIF 2.1.0, which code scanning shows: a result for all that is not a pass."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from qconvert.checking.results import CheckedFile, Finding, Report, Verdict
from qconvert.report import words
from qconvert.report.document import Json
from qconvert.report.escape import printable, sarif

_RULES: Final = {
    "differs": "A result differs beyond what rounding explains.",
    "unchecked": "A result was compared with nothing.",
    "not-run": "A program that has to take part did not run.",
    "not-enough": "Less is known of a result than is required.",
    "weight-differs": "A weight is not the one that QKeras computes with.",
    "weight-unchecked": "A weight was compared with nothing.",
    "condition": "The file runs as it was checked where this holds.",
    "ambiguous": "TensorFlow's predict differs from its model(x), which is the truth here.",
}
_OF_WEIGHTS: Final = {
    Verdict.DIFFERS: "weight-differs",
    Verdict.UNCHECKED: "weight-unchecked",
}


@dataclass(frozen=True, slots=True)
class _Result:
    """Something to show of a part of the model; ``ignored`` is why it does not count."""

    rule: str
    level: str
    where: str
    kind: str
    text: str
    ignored: str | None = None


def to_sarif(report: Report) -> str:
    """A SARIF log; the same report gives the same text."""
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [_run(report)],
    }
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _run(report: Report) -> Json:
    return {
        "tool": {"driver": _driver(report)},
        "automationDetails": {"id": _identity(report)},
        "artifacts": [_artifact(report.onnx), _artifact(report.model)],
        "invocations": [
            {
                "executionSuccessful": not report.failed,
                "exitCode": report.exit_code,
                "toolExecutionNotifications": [
                    {"level": "error", "message": _message(f"{one.witness.value}: {one.failure}")}
                    for one in report.failed
                ],
            }
        ],
        "results": [_result(found, report) for found in _results(report)],
        "properties": {key: printable(text) for key, text in words.provenance(report).items()},
    }


def _identity(report: Report) -> str:
    """Of which check of a project this is, whose results replace those of the one before.

    What ends in a slash is a category as a whole; two checks of one commit may not have the same.
    """
    paths = (report.model.path, report.onnx.path)
    return "".join(f"{part}/" for part in ("qconvert", *(_uri(path) for path in paths if path)))


def _driver(report: Report) -> Json:
    return {
        "name": "qconvert",
        "version": printable(report.environment.qconvert),
        "rules": [
            {"id": rule, "shortDescription": {"text": text}} for rule, text in _RULES.items()
        ],
    }


def _artifact(file: CheckedFile) -> Mapping[str, Json]:
    found: dict[str, Json] = {"hashes": {"sha-256": printable(file.sha256)}}
    return found if file.path is None else {**found, "location": {"uri": _uri(file.path)}}


def _results(report: Report) -> Iterator[_Result]:
    unseen, ignored = report.unseen, dict(report.ignored)
    for layer in report.layers:
        if layer.name not in unseen:
            for found in _of_finding(layer.name, "layer", layer.finding, report):
                yield replace(found, ignored=ignored.get(layer.name))
    for output in report.outputs:
        yield from _of_finding(output.name, "output", output.finding, report)
    for weight in report.weights:
        if weight.verdict.is_weaker_than(report.required):
            name = f"{weight.layer}/{weight.role}"
            rule, why = _OF_WEIGHTS.get(weight.verdict, "not-enough"), ignored.get(weight.layer)
            yield _Result(rule, "error", name, "weight", words.of_weight(weight), why)
    yield from _of_the_whole(report)
    for text, name in words.conditions(report).items():
        yield _Result("condition", "note", name, "layer", text)
    for value in report.ambiguous:
        told = f"{value.differing} of {value.elements} elements differ in predict"
        yield _Result("ambiguous", "warning", value.name, "output", told)


def _of_the_whole(report: Report) -> Iterator[_Result]:
    """What is no pass without a layer, weight or output that is none."""
    for lost in report.failed:
        yield _Result("not-run", "error", lost.witness.value, "witness", lost.failure or "")
    for name in words.missing(report):
        yield _Result("unchecked", "error", name, "model", f"no {name} were compared")
    for one in report.repair.unrepaired:
        yield _Result("differs", "error", one.layer, "layer", words.of_unrepaired(one))


def _of_finding(name: str, kind: str, finding: Finding, report: Report) -> Iterator[_Result]:
    if not finding.verdict.is_weaker_than(report.required):
        return
    rule = {Verdict.DIFFERS: "differs", Verdict.UNCHECKED: "unchecked"}.get(finding.verdict)
    # An error stands at the origin, unless that does not count.
    origins = set(finding.inherited_from) - dict(report.ignored).keys()
    level = "warning" if origins else "error"
    text = f"{finding.verdict.value}: {words.why(finding)}"
    yield _Result(rule or "not-enough", level, name, kind, text)


def _result(found: _Result, report: Report) -> Json:
    file = report.model if report.onnx.path is None else report.onnx
    where = printable(found.where)
    location: dict[str, Json] = {"logicalLocations": [{"name": where, "kind": found.kind}]}
    if file.path is not None:
        # Of a binary file there is no line; without one, platforms do not show the result.
        region: Json = {"startLine": 1}
        location["physicalLocation"] = {
            "artifactLocation": {"uri": _uri(file.path)}, "region": region,
        }  # fmt: skip
    identity = f"{found.rule}\n{found.kind}\n{found.where}"
    return {
        "ruleId": found.rule,
        "ruleIndex": list(_RULES).index(found.rule),
        "level": found.level,
        "message": _message(f"{found.kind} {found.where}: {found.text}"),
        "locations": [location],
        "partialFingerprints": {
            "qconvert/v1": hashlib.sha256(identity.encode(errors="backslashreplace")).hexdigest()
        },
        "suppressions": _suppressions(found),
    }


def _suppressions(found: _Result) -> Json:
    """Why the user says that a result does not count; none is a result that does."""
    if found.ignored is None:
        return []
    return [{"kind": "external", "justification": printable(found.ignored)}]


def _message(text: str) -> Json:
    return {"text": sarif(text)}


def _uri(path: str) -> str:
    """A relative path, or a file's address; nothing in it can be taken for a scheme."""
    address = quote(path, errors="backslashreplace")
    return f"file://{address}" if path.startswith("/") else address.replace(":", "%3A")
