"""The files that a report is rendered to, each by its format's name."""

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from qconvert.checking.results import Report
from qconvert.modelfile.source import kind_of
from qconvert.report.document import FILE, is_report, to_json
from qconvert.report.html.check import check_page
from qconvert.report.junit import to_junit
from qconvert.report.markdown import to_markdown
from qconvert.report.sarif import to_sarif


@dataclass(frozen=True, slots=True)
class Format:
    """A rendering, and the name of its file in a folder of all."""

    file: str
    render: Callable[[Report], str]


#: Every one is the same text for the same report, and tells nothing of how long a check took.
FORMATS: Final[Mapping[str, Format]] = {
    "json": Format(FILE, partial(to_json, timed=False)),
    "html": Format("report.html", check_page),
    "junit": Format("junit.xml", to_junit),
    "sarif": Format("report.sarif", to_sarif),
    "markdown": Format("summary.md", to_markdown),
}


def rendered(report: Report) -> dict[str, bytes]:
    """All files of a report, by name."""
    return {form.file: form.render(report).encode() for form in FORMATS.values()}


def has_report(folder: Path) -> bool:
    """Whether all files of a report are in a folder, which those of another may replace."""
    files = {name: folder / form.file for name, form in FORMATS.items()}
    kinds = {kind_of(file) for file in files.values()}
    return kinds == {stat.S_IFREG} and is_report(files["json"])
