"""The stamp that a report gives to the file that it is about."""

import hashlib
import json

from qconvert.checking.results import Report
from qconvert.emit.metadata import as_json
from qconvert.emit.stamp import Stamp
from qconvert.report.document import to_json


def stamp_of(report: Report) -> Stamp:
    """Verdict, conditions, and the hashes of report and file."""
    findings = [*(x.finding for x in report.layers), *(x.finding for x in report.outputs)]
    conditions = dict.fromkeys(text for finding in findings for text in finding.conditions)
    return Stamp(
        report.verdict.value,
        report.passed,
        tuple(conditions),
        sha256_of_report(to_json(report)),
        report.onnx.sha256,
    )


def sha256_of_report(document: str) -> str:
    """The hash of a JSON report's canonical form, which the next check of the file has, too.

    Without times and without the places of files; sorted, without spaces.
    """
    content = json.loads(document)
    for name in ("seconds", "reproducer"):
        del content[name]
    for name in ("model", "onnx"):
        del content[name]["path"]
    return hashlib.sha256(as_json(content).encode()).hexdigest()
