"""What people see of a command: its results, and how far it is."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

#: Characters of the name of a layer in a bar, which has one line.
_NAME: Final = 30
#: Layers that differ, by name; of more than these it is told how many there are.
_NAMES: Final = 3


def console(stream: TextIO) -> "Console":
    """A terminal, or a file without colours; NO_COLOR and FORCE_COLOR decide otherwise."""
    from rich.console import Console

    class Piped(Console):
        """Leaves a closed pipe to `run`; rich would exit with code 1."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Piped(file=stream, highlight=False, markup=False, emoji=False)


class Watcher(Protocol):
    """Hears of a check while it runs."""

    def stage(self, name: str) -> None:
        """What is going on now."""

    def progress(self, done: int, total: int) -> None:
        """How many samples are compared."""

    def scanning(self, layer: str, done: int, total: int) -> None:
        """How many numbers the quantizer of *layer* was tried on."""

    def differing(self, layer: str) -> None:
        """A layer at which something differs."""

    def failed(self, witness: str, failure: str) -> None:
        """A witness that will not see it through."""


class Silent:
    """Tells of failures alone: what a log should have of a check."""

    def stage(self, name: str) -> None:
        """Nothing to tell."""

    def progress(self, done: int, total: int) -> None:
        """Nothing to tell."""

    def scanning(self, layer: str, done: int, total: int) -> None:
        """Nothing to tell."""

    def differing(self, layer: str) -> None:
        """Nothing to tell: the report does."""

    def failed(self, witness: str, failure: str) -> None:
        """Say so at once."""
        click.echo(_failure(witness, failure), err=True)


class Bar:
    """One line for people: what is done, how far, and what is known so far."""

    def __init__(self, bar: "Progress") -> None:
        self._bar = bar
        self._layers: list[str] = []
        self._begun = ""
        self._task = bar.add_task("starting", total=None, known=self._known())

    def stage(self, name: str) -> None:
        """Another part, of unknown length."""
        self._begin(name)

    def progress(self, done: int, total: int) -> None:
        """So many of the samples."""
        self._bar.update(
            self._task, description=f"samples {done} of {total}", completed=done, total=total
        )

    def scanning(self, layer: str, done: int, total: int) -> None:
        """So many of all float32 numbers."""
        what = f"all numbers of {_short(layer)}"
        if what != self._begun:
            self._begin(what)
        self._bar.update(self._task, completed=done, total=total)

    def differing(self, layer: str) -> None:
        """The running verdict."""
        self._layers.append(_short(layer))
        self._bar.update(self._task, known=self._known())

    def failed(self, witness: str, failure: str) -> None:
        """A line above the bar."""
        self._bar.console.print(_failure(witness, failure), soft_wrap=True)

    def _begin(self, what: str) -> None:
        """A new task, because rich makes none of unknown length again of one of known length."""
        self._begun = what
        self._bar.remove_task(self._task)
        self._task = self._bar.add_task(what, total=None, known=self._known())

    def _known(self) -> str:
        if not self._layers:
            return "nothing differs so far"
        more = f" and {len(self._layers) - _NAMES} more" if len(self._layers) > _NAMES else ""
        return f"DIFFERS: {', '.join(self._layers[:_NAMES])}{more}"


@contextmanager
def watched(*, quiet: bool = False) -> Iterator[Watcher]:
    """Who hears of a check while it runs, on standard error.

    People at a terminal see a bar, which is gone at the end; a log has the failures.
    """
    if quiet or not sys.stderr.isatty():
        yield Silent()
        return
    with bar_on(console(sys.stderr)) as bar:
        yield Bar(bar)


def bar_on(console: "Console") -> "Progress":
    """A line that shows texts as they are."""
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    start = time.monotonic()

    class Elapsed(ProgressColumn):
        """The time since the command began, whichever task is shown."""

        def render(self, task: Task) -> Text:
            return Text(str(timedelta(seconds=int(time.monotonic() - start))), "progress.elapsed")

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        Elapsed(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[known]}", markup=False),
        console=console,
        transient=True,
    )


def tell(text: str) -> None:
    """Say something about the work on standard error."""
    click.echo(text, err=True)


def _short(name: str) -> str:
    from qconvert.report.escape import printable

    text = printable(name)
    return text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"


def _failure(witness: str, failure: str) -> str:
    from qconvert.report.failure import lines_of

    return "\n  ".join((f"qconvert: {witness} failed", *lines_of(failure)))
