"""Completion of commands, options and paths by the shell: click's own, and its script."""

from typing import Final

import click
from click.shell_completion import get_completion_class, shell_complete

#: The shell sets it, and wants nothing but completions then.
VARIABLE: Final = "_QCONVERT_COMPLETE"
_NAME: Final = "qconvert"


@click.command(short_help="Print what makes a shell complete commands and options.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options and paths.

    In ~/.bashrc, or with zsh in ~/.zshrc: eval "$(qconvert completion bash)". For fish:
    qconvert completion fish > ~/.config/fish/completions/qconvert.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(context.find_root().command, {}, _NAME, VARIABLE).source())


def completed(command: click.Command, instruction: str) -> int:
    """Answer the shell, which asks by *instruction*, such as ``bash_complete``; the exit code."""
    return shell_complete(command, {}, _NAME, VARIABLE, instruction)
