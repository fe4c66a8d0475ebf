"""How an error is told."""

import contextlib
import os
import traceback

import click


def fail(code: str, message: str, exit_code: int) -> int:
    """One message on standard error, with its code; gives *exit_code* back."""
    from qconvert.report.escape import printable

    if os.environ.get("QCONVERT_DEBUG"):
        traceback.print_exc()
    lines = "\n".join(printable(line) for line in message.split("\n"))
    # Standard error can be full or closed, too.
    with contextlib.suppress(OSError):
        click.echo(f"qconvert: error {code}: {lines}", err=True)
    return exit_code
