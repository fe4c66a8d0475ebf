"""A check that people watch, and what is written of it: of ``check`` and ``export --check``."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from qconvert.cli.github import tell_github
from qconvert.cli.options import STDOUT, Reading
from qconvert.cli.showing import console, say, tell, watched

if TYPE_CHECKING:
    from qconvert.checking.results import Report


class Checking(Reading, total=False):
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
    onnx: Path | None,
    *,
    ignored: Mapping[str, str] | None = None,
    quiet: bool = False,
    **options: Unpack[Checking],
) -> "Report":
    """Check a model while people watch, and show the report.

    If *quiet* only that it does not pass is told, on standard error.
    """
    from qconvert import api
    from qconvert.report.escape import printable
    from qconvert.report.terminal import show
    from qconvert.report.words import summary

    with watched(quiet=quiet) as watcher:
        report = api.check(
            model,
            onnx,
            ignored=ignored,
            progress=watcher.progress,
            failed=watcher.failed,
            scanning=watcher.scanning,
            stage=watcher.stage,
            differing=watcher.differing,
            **options,
        )
    if not quiet:
        show(report, console(sys.stdout))
    elif not report.passed:
        tell(f"qconvert: {printable(str(model))}: {summary(report)}")
    tell_github(report)
    return report


def write_report(
    report: "Report", path: Path | None, *, force: bool, sources: Sequence[Path], quiet: bool
) -> None:
    """Write *report* as JSON, if it is wanted."""
    from qconvert.report import to_json

    write_text(to_json(report), path, force=force, sources=sources)
    if path is not None and not quiet:
        say(f"report  {path}")


def write_text(text: str, path: Path | None, *, force: bool, sources: Sequence[Path]) -> None:
    """Write *text* to the file, or to standard output, if it is wanted."""
    from qconvert.output import write

    if path == STDOUT:
        click.echo(text, nl=False)
    elif path is not None:
        write(path, text.encode(), force=force, inputs=sources)


def write_all(
    report: "Report", folder: Path, *, force: bool, sources: Sequence[Path], quiet: bool
) -> None:
    """Write *report* to *folder* in every format, all files at once."""
    from qconvert.output import write_folder
    from qconvert.report.formats import FORMATS, rendered

    write_folder(folder, rendered(report), force=force, inputs=sources)
    if not quiet:
        say(f"report  {folder}: {', '.join(form.file for form in FORMATS.values())}")
