"""How an error is told."""

import contextlib
import errno
import os
import traceback
from collections.abc import Sequence
from typing import Final, NamedTuple

import click

from qconvert.errors import QConvertError
from qconvert.shortage import shortage

#: Also of standard output that is closed.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EBADF})


#: What ends a command in a way of its own.
ENDS: Final = (click.Abort, click.exceptions.Exit, click.ClickException, BrokenPipeError)


class Failure(NamedTuple):
    """What is told of an error, and how the command ends."""

    code: str
    lines: Sequence[str]
    exit_code: int


def fail_with(error: Exception) -> Failure:
    """Tell of *error*; what was told."""
    failure = failure_of(error)
    fail(*failure)
    return failure


def failure_of(error: Exception) -> Failure:
    """What is to be told of *error*."""
    error = shortage(error) or error
    match error:
        case QConvertError():
            return Failure(error.code, error.lines, error.exit_code)
        case OSError(errno=number) if number in _FULL:  # files that are outputs have their own
            reason = error.strerror or str(error)
            return Failure("QC602", (f"standard output or a temporary file: {reason}",), 6)
        case _:
            remedy = "set QCONVERT_DEBUG=1 for the traceback"
            return Failure("QC999", (f"{type(error).__name__}: {error} ({remedy})",), 70)


def fail(code: str, lines: Sequence[str], exit_code: int) -> int:
    """A message of *lines* on standard error, with its code; gives *exit_code* back."""
    from qconvert.report.escape import printable

    first, *others = lines
    told = [f"qconvert: error {code}: {first}", *others]
    if os.environ.get("QCONVERT_DEBUG"):
        told = [*traceback.format_exc().splitlines(), *told]
    # Standard error can be full or closed, too.
    with contextlib.suppress(OSError):
        click.echo("\n".join(map(printable, told)), err=True)
    return exit_code
