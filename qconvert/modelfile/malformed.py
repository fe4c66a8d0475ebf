"""The errors inside this package for bytes that are not what they should be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qconvert.errors import BadFileError, LimitError, OutputError, UnsupportedError


class MalformedError(Exception):
    """What is wrong with the bytes at hand; `blaming` adds which file they came from."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BeyondLimitError(MalformedError):
    """More of something than a limit allows; the message says how to raise it."""


class UnwrittenError(MalformedError):
    """Nothing is wrong with the bytes; what was read of them could not be written."""


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Errors inside as those that a caller may catch, of the file *path*."""
    try:
        yield
    except UnsupportedError as error:
        raise UnsupportedError(error.problems, path) from None
    except BeyondLimitError as error:
        raise LimitError(error.code, f"{path}: {error}") from None
    except UnwrittenError as error:
        raise OutputError(error.code, path, str(error)) from None
    except MalformedError as error:
        raise BadFileError(error.code, path, str(error)) from None
