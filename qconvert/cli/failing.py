"""How an error is told."""

import contextlib
import errno
import os
import traceback
from collections.abc import Sequence

import click

from qconvert.errors import QConvertError
from qconvert.shortage import shortage

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


def fail_with(error: Exception) -> tuple[str, int]:
    """Tell of *error*; its code and its exit code."""
    error = shortage(error) or error
    match error:
        case QConvertError():
            code, told, exit_code = error.code, error.lines, error.exit_code
        case OSError(errno=number) if number in _FULL:  # files that are outputs have their own
            reason = error.strerror or str(error)
            code, told, exit_code = "QC602", (f"standard output or a temporary file: {reason}",), 6
        case _:
            remedy = "set QCONVERT_DEBUG=1 for the traceback"
            code, told, exit_code = "QC999", (f"{type(error).__name__}: {error} ({remedy})",), 70
    return code, fail(code, told, exit_code)


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
