"""What people see of a command: its results, and how far it is."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TextIO

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


class Watcher:
    """Hears of a check while it runs, and tells of failures alone: what a log should have of it."""

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
        click.echo(_failure(witness, failure), err=True)


class Bar(Watcher):
    """One line for people: what is done, how far, and what is known so far."""

    def __init__(self, bar: "Progress") -> None:
        self._bar = bar
        self._layers: list[str] = []
        self._lost: list[str] = []
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
        """A line above the bar, and no pass any more."""
        self._bar.console.print(_failure(witness, failure), soft_wrap=True)
        self._lost.append(witness)
        self._bar.update(self._task, known=self._known())

    def _begin(self, what: str) -> None:
        """A new task, because rich makes none of unknown length again of one of known length."""
        self._begun = what
        self._bar.remove_task(self._task)
        self._task = self._bar.add_task(what, total=None, known=self._known())

    def _known(self) -> str:
        lost = f"; without {', '.join(self._lost)}" if self._lost else ""
        if not self._layers:
            return f"nothing differs so far{lost}"
        more = f" and {len(self._layers) - _NAMES} more" if len(self._layers) > _NAMES else ""
        return f"DIFFERS: {', '.join(self._layers[:_NAMES])}{more}{lost}"


@contextmanager
def watched(*, quiet: bool = False) -> Iterator[Watcher]:
    """Who hears of a check while it runs, on standard error.

    People at a terminal see a bar, which is gone at the end; a log has the failures.
    """
    if quiet or not sys.stderr.isatty():
        yield Watcher()
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


def say(text: str) -> None:
    """One line of results; a path in it may be called anything."""
    from qconvert.report.escape import printable

    click.echo(printable(text))


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
