"""What GitHub gets of a check that runs there, besides the log."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qconvert.cli.failing import ENDS, Failure, failure_of

if TYPE_CHECKING:
    from qconvert.checking.results import Report


def tell_github(report: "Report") -> None:
    """Annotations on standard error, and a summary for the page of the job; nothing elsewhere.

    The last thing of a check: where something fails before, GitHub is told of that instead.
    """
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from qconvert.report.github import annotations

    for line in annotations(report):
        click.echo(line, err=True)
    from qconvert.report.markdown import to_markdown

    _append(to_markdown(report))


@contextmanager
def failures_on_github(model: Path) -> Iterator[None]:
    """Within, an error is one because of which *model* could not be checked."""
    try:
        yield
    except ENDS:
        raise
    except Exception as error:
        tell_github_of_failure(str(model), failure_of(error))
        raise


def tell_github_of_failure(model: str, failed: Failure) -> None:
    """The same of a model of which there is no report."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from qconvert.report.github import failure
    from qconvert.report.markdown import of_failure

    first, *others = failed.lines
    told = [f"{failed.code}: {first}", *others]
    click.echo(failure(model, told), err=True)
    _append(of_failure(model, told))


def _append(text: str) -> None:
    """Add *text* to the page of the job, if it has one."""
    from qconvert.report.escape import annotation

    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if not page:
        return
    try:
        with Path(page).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        # The check has a verdict all the same, and the log has it.
        text = f"GITHUB_STEP_SUMMARY cannot be written: {error.strerror}"
        click.echo(f"::warning::{annotation(text)}", err=True)
