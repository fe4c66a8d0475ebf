"""The command ``help``: of commands, and of the codes of errors."""

import re
import textwrap
from typing import Final

import click

_CODE: Final = re.compile("(?:QC)?([0-9]+)", re.IGNORECASE)
_COLUMNS: Final = 79


@click.command("help", short_help="Explain an error by its code, such as QC107.")
@click.argument("topic", metavar="[CODE|COMMAND]", required=False)
@click.pass_context
def help_(context: click.Context, topic: str | None) -> None:
    """Explain an error by its CODE, such as QC107; without one list them all."""
    if topic is None:
        _list()
    elif found := _CODE.fullmatch(topic):
        _explain(f"QC{found[1]}")
    else:
        _show_command(context, topic)


def _list() -> None:
    from qconvert.codes import explanations

    for code, entry in explanations().items():
        click.echo(f"{code}  {entry.title}")


def _explain(code: str) -> None:
    from qconvert.codes import explanation

    entry = explanation(code)
    click.echo(f"{code}  {entry.title}")
    for text in (entry.meaning, entry.remedy):
        click.echo(f"\n{textwrap.fill(text, _COLUMNS, break_on_hyphens=False)}")


def _show_command(context: click.Context, name: str) -> None:
    """What ``qconvert NAME --help`` shows."""
    group = context.find_root()
    assert isinstance(group.command, click.Group)
    _, command, _ = group.command.resolve_command(group, [name])
    assert command is not None
    with command.make_context(name, ["--help"], parent=group):
        """``--help`` ends the command."""
