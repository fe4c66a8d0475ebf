"""The command ``report``: a report again, without the model."""

import stat
import sys
from pathlib import Path
from typing import Final

import click

from qconvert.cli.options import FORCE, OUTPUT_OR_STDOUT, PATH, QUIET, STDOUT
from qconvert.cli.showing import console, say

#: Of `report.formats.FORMATS`, which is imported only when a report is rendered.
_FORMATS: Final = ("terminal", "html", "junit", "sarif", "markdown", "json")


@click.command(short_help="Show the report of a check, or write it in another format.")
@click.argument("report", type=PATH)
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="terminal", show_default=True,
    help="How to show it.",
)  # fmt: skip
@click.option(
    "--output", "-o", type=OUTPUT_OR_STDOUT, help="The file to write [default: standard output]."
)
@FORCE
@QUIET
@click.pass_context
def report(
    context: click.Context, report: Path, form: str, output: Path | None, force: bool, quiet: bool
) -> None:
    """Show the JSON file REPORT of a check, or write it in another format.

    The folder that check --report has written is REPORT, too. The exit code is that of the check.
    """
    from qconvert.modelfile.source import kind_of
    from qconvert.output import write
    from qconvert.places import require_writable
    from qconvert.report.document import FILE, read_report
    from qconvert.report.formats import FORMATS
    from qconvert.report.terminal import show

    if kind_of(report) == stat.S_IFDIR:
        report /= FILE
    output = None if output == STDOUT else output
    if form == "terminal" and output:
        raise click.UsageError("--output needs a --format other than terminal")
    if output:
        require_writable(output, force=force, inputs=[report])
    found = read_report(report)
    if form == "terminal":
        if not quiet:
            show(found, console(sys.stdout))
    elif output:
        write(output, FORMATS[form].render(found).encode(), force=force, inputs=[report])
        if not quiet:
            say(str(output))
    else:
        click.echo(FORMATS[form].render(found), nl=False)
    context.exit(found.exit_code)
