"""How an error is told."""

import os
import traceback

import click

from qconvert.errors import QConvertError


def fail_with(error: Exception) -> tuple[str, int]:
    """Tell of *error*; its code and its exit code."""
    match error:
        case QConvertError():
            code, told, exit_code = error.code, str(error), error.exit_code
        case MemoryError():
            code, told, exit_code = "QC801", "out of memory", 7
        case _:
            remedy = "set QCONVERT_DEBUG=1 for the traceback"
            code, told, exit_code = "QC999", f"{type(error).__name__}: {error} ({remedy})", 70
    return code, fail(code, told, exit_code)


def fail(code: str, message: str, exit_code: int) -> int:
    """One message on standard error, with its code; gives *exit_code* back."""
    from qconvert.report.escape import printable

    if os.environ.get("QCONVERT_DEBUG"):
        traceback.print_exc()
    lines = "\n".join(printable(line) for line in message.split("\n"))
    click.echo(f"qconvert: error {code}: {lines}", err=True)
    return exit_code
