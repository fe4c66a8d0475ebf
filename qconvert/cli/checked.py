"""A check that people watch, and what is written of it: of ``check`` and ``export --check``."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from qconvert.cli.options import STDOUT, ReadingFlags
from qconvert.cli.showing import console, say, tell, watched

if TYPE_CHECKING:
    from qconvert.api import Exported
    from qconvert.checking.results import Report
    from qconvert.output import Outputs


class Checking(ReadingFlags, total=False):
    """How MODEL is checked: options of `qconvert.api.check`."""

    inputs: Path | None
    samples: int | None
    seed: int
    domains: tuple[str, ...]
    require: str
    scan: bool
    reproducer: Path | None
    repair: Path | None
    force: bool


def checked(
    model: Path,
    onnx: "Path | Exported | None",
    *,
    ignored: Mapping[str, str] | None = None,
    quiet: bool = False,
    outputs: "Outputs | None" = None,
    **options: Unpack[Checking],
) -> "Report":
    """Check a model while people watch, who see nothing of it if *quiet*."""
    from qconvert import api

    with watched(quiet=quiet) as watcher:
        return api.check(
            model,
            onnx,
            ignored=ignored,
            progress=watcher.progress,
            failed=watcher.failed,
            scanning=watcher.scanning,
            stage=watcher.stage,
            differing=watcher.differing,
            outputs=outputs,
            **options,
        )


def show_report(model: Path, report: "Report", *, quiet: bool) -> None:
    """Show the *report*, when all files are there.

    If *quiet* only that it does not pass is told, on standard error.
    """
    from qconvert.report.escape import printable
    from qconvert.report.terminal import show
    from qconvert.report.words import short_of, summary

    if not quiet:
        show(report, console(sys.stdout))
    elif not report.passed:
        told = "; ".join(filter(None, (summary(report), short_of(report))))
        tell(f"qconvert: {printable(str(model))}: {printable(told)}")


def add_json(outputs: "Outputs", text: str, path: Path | None) -> None:
    """Have *outputs* write *text*, if it is wanted as a file; else see `print_json`."""
    if path is not None and path != STDOUT:
        outputs.file(path, text.encode())


def print_json(text: str, path: Path | None) -> None:
    """Print *text*, if it is wanted on standard output: when all files are there."""
    if path == STDOUT:
        click.echo(text, nl=False)


def tell_where(json_file: Path | None, folder: Path | None = None, *, quiet: bool) -> None:
    """Say where the report was written, if it was wanted there."""
    from qconvert.report.formats import FORMATS

    if json_file is not None and not quiet:
        say(f"report  {json_file}")
    if folder is not None and not quiet:
        say(f"report  {folder}: {', '.join(form.file for form in FORMATS.values())}")
