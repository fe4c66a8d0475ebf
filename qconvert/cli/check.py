"""The command ``check``, and what ``export --check`` has of it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from qconvert.cli.options import (
    DOMAIN,
    FORCE,
    MODEL,
    PATH,
    SAMPLES,
    SEED,
    Reading,
    reading_options,
    sources_of,
)
from qconvert.cli.showing import console, watched

if TYPE_CHECKING:
    from qconvert.api import Exported
    from qconvert.checking.results import Report
    from qconvert.output import Outputs


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
@click.option("--json", "json_file", type=PATH, help="Also write the report as JSON.")
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
@click.pass_context
def check(
    context: click.Context,
    model: Path,
    onnx: Path | None,
    json_file: Path | None,
    folder: Path | None,
    **options: Unpack[Checking],
) -> None:
    """Compare every layer of MODEL in TensorFlow, ONNX Runtime and NumPy.

    Without an ONNX file the model is exported to memory first; in one of another converter layers
    are found by their values. The exit code is 0 if everything was compared, nothing differs
    beyond rounding, and the verdict is at least the required one.
    """
    from qconvert.output import Outputs, require_writable, require_writable_folder
    from qconvert.report import to_json
    from qconvert.report.formats import rendered

    given = (onnx, options["inputs"], *sources_of(model, options))
    sources = [path for path in given if path is not None]
    force, reproducer, repair = options["force"], options["reproducer"], options["repair"]
    if json_file:
        require_writable(json_file, force=force, inputs=sources)
    if folder:
        require_writable_folder(folder, force=force)
    with Outputs(force=force, inputs=sources) as outputs:
        report = checked(model, onnx, outputs=outputs, **options)
        if json_file:
            outputs.file(json_file, to_json(report).encode())
        if folder:
            outputs.folder(folder, rendered(report))
    if reproducer and report.reproducer is None:
        click.echo(f"reproducer  {reproducer} is not written: {_nothing_to_reproduce(report)}")
    if repair and report.repair.path is None:
        click.echo(f"repair  {repair} is not written: {_nothing_to_repair(report)}")
    tell_report(json_file)
    tell_folder(folder)
    context.exit(report.exit_code)


def checked(
    model: Path,
    onnx: "Path | Exported | None",
    outputs: "Outputs | None" = None,
    **options: Unpack[Checking],
) -> "Report":
    """Check a model while people watch, and show the report."""
    from qconvert import api
    from qconvert.report.terminal import show

    with watched() as (progress, failed, scanning):
        report = api.check(
            model,
            onnx,
            progress=progress,
            failed=failed,
            scanning=scanning,
            outputs=outputs,
            **options,
        )
    show(report, console(sys.stdout))
    return report


def tell_report(path: Path | None) -> None:
    """Say where the report as JSON was written, if it was wanted."""
    if path is not None:
        click.echo(f"report  {path}")


def tell_folder(folder: Path | None) -> None:
    """Say where the report in every format was written, if it was wanted."""
    from qconvert.report.formats import FORMATS

    if folder is not None:
        click.echo(f"report  {folder}: {', '.join(form.file for form in FORMATS.values())}")


def _nothing_to_reproduce(report: "Report") -> str:
    from qconvert.checking.results import Verdict

    differs = report.verdict is Verdict.DIFFERS
    return "no sample was run" if differs else "nothing differs beyond rounding"


def _nothing_to_repair(report: "Report") -> str:
    if report.repair.unrepaired:
        return "not everything can be repaired"
    return "there is nothing to move" if report.passed else "the check does not pass with it"
