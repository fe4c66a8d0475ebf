"""Paths that are read or written, as a command line has them."""

import os
from pathlib import Path

import click

from qconvert.errors import BadFileError


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


class SourcePath(NamedPath):
    """A path that is read; `BadFileError` for a file with a slash behind it, which `Path` drops."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        """The path."""
        found = super().convert(value, param, ctx)
        if os.path.exists(found) and not os.path.exists(value):  # noqa: PTH110 - as it is spelled
            raise BadFileError("QC107", os.fspath(value), "not a directory")
        return found
