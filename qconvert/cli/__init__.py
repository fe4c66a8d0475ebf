"""The command line; each command imports what it needs, so that ``--help`` is quick."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType
from typing import TextIO

import click

from qconvert.cli.check import check
from qconvert.cli.completing import VARIABLE, completed, completion
from qconvert.cli.differ import diff
from qconvert.cli.explain import explain
from qconvert.cli.explaining import help_
from qconvert.cli.export import export, weights
from qconvert.cli.failing import fail, fail_with
from qconvert.cli.look import bench, doctor, inspect
from qconvert.cli.memory import require_enough
from qconvert.cli.report import report
from qconvert.ending import ENDING
from qconvert.errors import UsageError

__all__ = ["cli", "run"]

_AGAIN_SECONDS = 3
_IMPORTED_SECONDS = 0.05
#: The file of Python's own frames around a module that is imported.
_IMPORT = "<frozen importlib._bootstrap>"


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"qconvert {version('qconvert')}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
    help="Show the version and exit.",
)  # fmt: skip
def cli() -> None:
    """QKeras models to ONNX files that give the same answers, checked layer by layer.

    qconvert help CODE explains an error, such as QC107.
    """


for _command in (
    export, check, report, explain, inspect, diff, weights, bench, doctor, completion, help_,
):  # fmt: skip
    cli.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command *arguments*; errors are one message on standard error."""
    for stream in (sys.stdout, sys.stderr):
        # Names in a model may have characters that the terminal's encoding lacks.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if VARIABLE in os.environ:
        return completed(cli, os.environ[VARIABLE])
    with _terminated():
        try:
            code = _invoke(arguments)
            # There is none if it was closed before.
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            _silence(sys.stdout)
            return 141
        except OSError as error:
            return _unwritten(error)
        return code


@contextmanager
def _terminated() -> Iterator[None]:
    """With `_terminate` at signals; then as it was, for a script that goes on."""
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup the last is ignored, in the background of a shell the first.
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, _terminate)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _invoke(arguments: Sequence[str]) -> int:
    try:
        require_enough()
        # Not click's own main, which makes code 1 of a pipe that was closed.
        with cli.make_context("qconvert", list(arguments)) as context:
            cli.invoke(context)
        return 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        # Click indents what it lists by tabs, which no terminal is given.
        first, *listed = error.format_message().split("\n\t")
        told = (first, *(f"  {each}" for each in listed), *_files(arguments), *_usage(error))
        # It repeats what was given, which an error of ours cuts.
        return fail("QC001", UsageError("QC001", *told).lines, error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return fail("QC990", ("interrupted",), 130)
    except BrokenPipeError:
        raise
    except Exception as error:
        if isinstance(error, OSError):
            return _unwritten(error)
        return fail_with(error).exit_code


def _unwritten(error: OSError) -> int:
    """Nothing more is printed, for it may be standard output that cannot be written."""
    if sys.stdout is not None:
        _silence(sys.stdout)
    return fail_with(error).exit_code


def _files(arguments: Sequence[str]) -> Iterator[str]:
    """How to name the files that were taken for options."""
    for word in arguments:
        if word.startswith("-") and os.path.lexists(word):
            yield f"{word} is a file: write ./{word}"


def _usage(error: click.ClickException) -> tuple[str, ...]:
    """How the command that was not understood is called: lines for the end of the message."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return ()
    return *context.get_usage().splitlines(), f"{context.command_path} --help explains it"


def _terminate(number: int, frame: FrameType | None) -> None:
    """As an exception, so that temporary files and the worker process go away.

    Not while a module is imported: onnx ends the process by an abort then, onnxruntime swallows it,
    and Python 3.11 wraps it in an error where a class is made.
    """
    importing = _importing(frame)
    # Where it is swallowed, the next alarm raises it again.
    signal.signal(signal.SIGALRM, lambda _, frame: _terminate(number, frame))
    signal.setitimer(signal.ITIMER_REAL, _IMPORTED_SECONDS if importing else _AGAIN_SECONDS)
    if not importing:
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def _importing(frame: FrameType | None) -> bool:
    """Whether a module is imported by the command, if there is one, that *frame* is a part of."""
    importing = False
    while frame is not None and frame.f_code is not run.__code__:
        importing |= frame.f_code.co_filename == _IMPORT
        frame = frame.f_back
    return importing and frame is not None


def _silence(stream: TextIO) -> None:
    """Keep the interpreter from complaining about *stream* when it flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
