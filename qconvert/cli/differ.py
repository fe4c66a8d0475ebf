"""The command ``diff``."""

import sys
from pathlib import Path

import click

from qconvert.cli.options import (
    FREEZE_SCALES,
    LIMITS,
    OPAQUE,
    PATH,
    QUIET,
    TF_PYTHON,
    VIA_TENSORFLOW,
)
from qconvert.cli.showing import console


@click.command(short_help="Show what differs: models, ONNX files, reports.")
@click.argument("first", type=PATH, metavar="A")
@click.argument("second", type=PATH, metavar="B")
@click.option("--first-weights", type=PATH, help="Weights (.h5) of an architecture (.json) A.")
@click.option("--second-weights", type=PATH, help="Weights (.h5) of an architecture (.json) B.")
@VIA_TENSORFLOW
@OPAQUE
@TF_PYTHON
@FREEZE_SCALES
@LIMITS
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@QUIET
@click.pass_context
def diff(
    context: click.Context,
    first: Path,
    second: Path,
    first_weights: Path | None,
    second_weights: Path | None,
    via_tensorflow: bool,
    opaque: str | None,
    tf_python: Path | None,
    freeze_scales: Path | None,
    limits: dict[str, int],
    as_json: bool,
    quiet: bool,
) -> None:
    """Show what changed from A to B: two models, ONNX files or reports, or a model and its file.

    The exit code is 0 if nothing differs, 1 if something does. docs/INSPECT.md tells more.
    """
    from qconvert import api
    from qconvert.differing.document import to_json
    from qconvert.differing.text import show

    found = api.diff(
        first,
        second,
        first_weights=first_weights,
        second_weights=second_weights,
        via_tensorflow=via_tensorflow,
        opaque=opaque,
        tf_python=tf_python,
        freeze_scales=freeze_scales,
        limits=limits,
    )
    if as_json:
        click.echo(to_json(found), nl=False)
    elif not quiet:
        show(found, console(sys.stdout))
    context.exit(found.exit_code)
