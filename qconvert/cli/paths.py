"""Paths that are read or written, as a command line has them."""

import os
from pathlib import Path

import click


class NamedPath(click.Path):
    """A path of at least a character: as one of Python's an empty text is the current folder.

    Whether it can be read is told by what reads it, with a code of its own.
    """

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        """The path."""
        if not os.fspath(value):
            self.fail("an empty path", param, ctx)
        return super().convert(value, param, ctx)
