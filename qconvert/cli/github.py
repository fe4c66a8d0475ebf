"""What GitHub gets of a check that runs there, besides the log."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from qconvert.checking.results import Report


def tell_github(report: "Report") -> None:
    """Annotations on standard error, and a summary for the page of the job; nothing elsewhere."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from qconvert.report.github import annotations

    for line in annotations(report):
        click.echo(line, err=True)
    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if page:
        _append(report, Path(page))


def _append(report: "Report", page: Path) -> None:
    from qconvert.report.escape import annotation
    from qconvert.report.markdown import to_markdown

    try:
        with page.open("a", encoding="utf-8") as file:
            file.write(to_markdown(report) + "\n")
    except OSError as error:
        # The check has a verdict all the same, and the log has it.
        text = f"GITHUB_STEP_SUMMARY cannot be written: {error.strerror}"
        click.echo(f"::warning::{annotation(text)}", err=True)
