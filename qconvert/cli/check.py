"""The command ``check``, of one model or of all that are configured."""

from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import click
from click.core import ParameterSource

from qconvert.cli.checked import Checking, add_json, checked, print_json, show_report, tell_where
from qconvert.cli.configured import check_configured
from qconvert.cli.github import failures_on_github, tell_github
from qconvert.cli.options import (
    DOMAIN,
    FORCE,
    IGNORE,
    OUTPUT,
    OUTPUT_FOLDER,
    OUTPUT_OR_STDOUT,
    PATH,
    QUIET,
    SAMPLES,
    SEED,
    STDOUT,
    VERDICTS,
    reading_options,
    sources_of,
)
from qconvert.cli.showing import say

if TYPE_CHECKING:
    from qconvert.checking.results import Report

#: The options that hold for all models of a configuration.
_OF_ALL: Final = frozenset({"config", "force", "quiet"})


@click.command(short_help="Compare every layer in TensorFlow, ONNX Runtime and NumPy.")
@click.argument("model", type=PATH, required=False)
@click.argument("onnx", type=PATH, required=False)
@reading_options
@click.option("--inputs", type=PATH, help="Samples: .npy, or .npz by name of the model's input.")
@SAMPLES
@SEED
@DOMAIN
@click.option(
    "--require", type=click.Choice(VERDICTS, case_sensitive=False),
    default="sampled", show_default=True, help="The weakest verdict that passes.",
)  # fmt: skip
@IGNORE
@click.option(
    "--scan", is_flag=True,
    help="Try every float32 number where theorems do not decide about a quantizer: minutes.",
)  # fmt: skip
@click.option(
    "--json",
    "json_file",
    type=OUTPUT_OR_STDOUT,
    help="Also write the report as JSON; - is standard output.",
)
@click.option(
    "--report", "folder", type=OUTPUT_FOLDER, metavar="DIR",
    help="Also write the report to this folder: HTML, JSON, JUnit, SARIF, Markdown.",
)  # fmt: skip
@click.option(
    "--reproducer", type=OUTPUT_FOLDER, metavar="DIR",
    help="If something differs, write the first wrong layer by itself and a script to this folder.",
)  # fmt: skip
@click.option(
    "--repair", type=OUTPUT, metavar="ONNX",
    help="Move constants until all codes are TensorFlow's, check that, and write it to this file.",
)  # fmt: skip
@click.option(
    "--config", type=PATH, metavar="TOML",
    help="Without MODEL: the configuration [default: qconvert.toml or pyproject.toml, upwards].",
)  # fmt: skip
@FORCE
@QUIET
@click.pass_context
def check(
    context: click.Context,
    model: Path | None,
    onnx: Path | None,
    json_file: Path | None,
    folder: Path | None,
    ignored: tuple[str, ...],
    config: Path | None,
    quiet: bool,
    **options: Unpack[Checking],
) -> None:
    """Compare every layer of MODEL in TensorFlow, ONNX Runtime and NumPy.

    Without an ONNX file the model is exported to memory first; in one of another converter layers
    are found by their values. The exit code is 0 if everything was compared, nothing differs
    beyond rounding, and the verdict is at least the required one. Without MODEL all checks of the
    configuration (docs/CONFIG.md) are run, and the exit code is the worst of theirs.
    """
    from qconvert.output import Outputs
    from qconvert.places import require_apart, require_writable, require_writable_folder
    from qconvert.report import to_json
    from qconvert.report.formats import rendered

    force, reproducer, repair = options["force"], options["reproducer"], options["repair"]
    if model is None:
        _require_no_options(context)
        context.exit(check_configured(config, force=force, quiet=quiet))
    if config:
        raise click.UsageError("--config is for check without MODEL", context)
    context.with_resource(failures_on_github(model))
    given = (onnx, options["inputs"], *sources_of(model, options))
    sources = [path for path in given if path is not None]
    quiet = quiet or json_file == STDOUT
    require_apart(None if json_file == STDOUT else json_file, folder, reproducer, repair)
    if json_file and json_file != STDOUT:
        require_writable(json_file, force=force, inputs=sources)
    if folder:
        require_writable_folder(folder, force=force)
    with Outputs(force=force, inputs=sources) as outputs:
        report = checked(
            model, onnx, ignored=_reasons(ignored), quiet=quiet, outputs=outputs, **options
        )
        add_json(outputs, to_json(report), json_file)
        if folder:
            outputs.folder(folder, rendered(report))
    show_report(model, report, quiet=quiet)
    if reproducer and not quiet and report.reproducer is None:
        say(f"reproducer  {reproducer} is not written: {_nothing_to_reproduce(report)}")
    if repair and not quiet and report.repair.path is None:
        say(f"repair  {repair} is not written: {_nothing_to_repair(report)}")
    print_json(to_json(report), json_file)
    tell_where(json_file, folder, quiet=quiet)
    tell_github(report)
    context.exit(report.exit_code)


def _require_no_options(context: click.Context) -> None:
    """A usage error for an option that is of one model, where the configuration says which."""
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in _OF_ALL
        and context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"{', '.join(given)} needs a MODEL", context)


def _reasons(ignored: tuple[str, ...]) -> dict[str, str]:
    """The layers of ``--ignore`` with their reasons."""
    return {name: reason for name, _, reason in (text.partition("=") for text in ignored)}


def _nothing_to_reproduce(report: "Report") -> str:
    from qconvert.checking.results import Verdict

    differs = report.verdict is Verdict.DIFFERS
    return "no sample was run" if differs else "nothing differs beyond rounding"


def _nothing_to_repair(report: "Report") -> str:
    if report.repair.unrepaired:
        return "not everything can be repaired"
    return "there is nothing to move" if report.passed else "the check does not pass with it"
