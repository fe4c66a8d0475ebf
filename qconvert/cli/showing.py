"""What people see of a command: its results, and how far it is."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console

    from qconvert.api import Failed, Progress, Scanning


def console(stream: TextIO) -> "Console":
    """A terminal, or a file without colours."""
    from rich.console import Console

    class Piped(Console):
        """Leaves a closed pipe to `run`; rich would exit with code 1."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Piped(file=stream, highlight=False, markup=False, emoji=False)


@contextmanager
def watched() -> Iterator[tuple["Progress | None", "Failed", "Scanning | None"]]:
    """Who hears of a check while it runs, on standard error.

    Failures of witnesses, and for people only a bar, which is gone at the end.
    """
    if not sys.stderr.isatty():
        yield None, lambda witness, failure: click.echo(_failure(witness, failure), err=True), None
        return
    from rich.progress import Progress

    with Progress(console=console(sys.stderr), transient=True) as bar:
        task = bar.add_task("starting the witnesses", total=None)
        yield (
            lambda done, total: bar.update(
                task, completed=done, total=total, description="comparing samples"
            ),
            lambda witness, failure: bar.console.print(_failure(witness, failure), soft_wrap=True),
            lambda layer, done, total: bar.update(
                task, completed=done, total=total, description=f"all numbers of {layer}"
            ),
        )


def tell(text: str) -> None:
    """Say something about the work on standard error."""
    click.echo(text, err=True)


def _failure(witness: str, failure: str) -> str:
    from qconvert.report.failure import lines_of

    return "\n  ".join((f"qconvert: {witness} failed", *lines_of(failure)))
