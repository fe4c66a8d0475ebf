"""The command ``check``, and what ``export --check`` has of it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from qconvert.cli.github import tell_github
from qconvert.cli.options import (
    DOMAIN,
    FORCE,
    MODEL,
    PATH,
    QUIET,
    SAMPLES,
    SEED,
    STDOUT,
    Reading,
    reading_options,
    sources_of,
)
from qconvert.cli.showing import console, tell, watched

if TYPE_CHECKING:
    from qconvert.checking.results import Report


@click.command()
@MODEL
@click.argument("onnx", type=PATH, required=False)
@reading_options
@click.option("--inputs", type=PATH, help="Samples: .npy, or .npz by name of the model's input.")
@SAMPLES
@SEED
@DOMAIN
@click.option(
    "--require", type=click.Choice(["proven", "bounded", "sampled"], case_sensitive=False),
    default="sampled", show_default=True, help="The weakest verdict that passes.",
)  # fmt: skip
@click.option(
    "--scan", is_flag=True,
    help="Try every float32 number where theorems do not decide about a quantizer: minutes.",
)  # fmt: skip
@click.option(
    "--json", "json_file", type=PATH, help="Also write the report as JSON; - is standard output."
)
@click.option(
    "--report", "folder", type=PATH, metavar="DIR",
    help="Also write the report to this folder: HTML, JSON, JUnit, SARIF, Markdown.",
)  # fmt: skip
@click.option(
    "--reproducer", type=PATH, metavar="DIR",
    help="If something differs, write the first wrong layer by itself and a script to this folder.",
)  # fmt: skip
@click.option(
    "--repair", type=PATH, metavar="ONNX",
    help="Move constants until all codes are TensorFlow's, check that, and write it to this file.",
)  # fmt: skip
@FORCE
@QUIET
@click.pass_context
def check(
    context: click.Context,
    model: Path,
    onnx: Path | None,
    inputs: Path | None,
    samples: int | None,
    seed: int,
    domains: tuple[str, ...],
    require: str,
    scan: bool,
    json_file: Path | None,
    folder: Path | None,
    reproducer: Path | None,
    repair: Path | None,
    force: bool,
    quiet: bool,
    **reading: Unpack[Reading],
) -> None:
    """Compare every layer of MODEL in TensorFlow, ONNX Runtime and NumPy.

    Without an ONNX file the model is exported to memory first; in one of another converter layers
    are found by their values. The exit code is 0 if everything was compared, nothing differs
    beyond rounding, and the verdict is at least the required one.
    """
    from qconvert.output import require_writable, require_writable_folder

    sources = [path for path in (onnx, inputs, *sources_of(model, reading)) if path is not None]
    quiet = quiet or json_file == STDOUT
    if json_file and json_file != STDOUT:
        require_writable(json_file, force=force, inputs=sources)
    if folder:
        require_writable_folder(folder, force=force)
    report = checked(
        model,
        onnx,
        inputs=inputs,
        samples=samples,
        seed=seed,
        domains=domains,
        require=require,
        scan=scan,
        reproducer=reproducer,
        repair=repair,
        force=force,
        quiet=quiet,
        **reading,
    )
    if reproducer and not quiet and report.reproducer is None:
        click.echo(f"reproducer  {reproducer} is not written: {_nothing_to_reproduce(report)}")
    if repair and not quiet and report.repair.path is None:
        click.echo(f"repair  {repair} is not written: {_nothing_to_repair(report)}")
    write_report(report, json_file, force=force, sources=sources, quiet=quiet)
    if folder:
        write_all(report, folder, force=force, sources=sources, quiet=quiet)
    context.exit(report.exit_code)


def checked(
    model: Path,
    onnx: Path | None,
    *,
    inputs: Path | None = None,
    samples: int | None = None,
    seed: int = 0,
    domains: tuple[str, ...] = (),
    require: str = "sampled",
    scan: bool = False,
    reproducer: Path | None = None,
    repair: Path | None = None,
    force: bool = False,
    quiet: bool = False,
    **reading: Unpack[Reading],
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
            inputs=inputs,
            samples=samples,
            seed=seed,
            domains=domains,
            require=require,
            scan=scan,
            progress=watcher.progress,
            failed=watcher.failed,
            scanning=watcher.scanning,
            stage=watcher.stage,
            differing=watcher.differing,
            reproducer=reproducer,
            repair=repair,
            force=force,
            **reading,
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
        click.echo(f"report  {path}")


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
        click.echo(f"report  {folder}: {', '.join(form.file for form in FORMATS.values())}")


def _nothing_to_reproduce(report: "Report") -> str:
    from qconvert.checking.results import Verdict

    differs = report.verdict is Verdict.DIFFERS
    return "no sample was run" if differs else "nothing differs beyond rounding"


def _nothing_to_repair(report: "Report") -> str:
    if report.repair.unrepaired:
        return "not everything can be repaired"
    return "there is nothing to move" if report.passed else "the check does not pass with it"
