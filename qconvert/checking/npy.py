"""The header of NumPy's format for one array, which says how much follows; nothing of that is read.

NumPy itself reads what a header says is its length, and takes any numbers for lengths of axes.
"""

import io
import re
from tokenize import TokenError
from typing import IO, Any, Final, TypeAlias

import numpy as np

Header: TypeAlias = tuple[tuple[int, ...], bool, np.dtype[Any]]

#: By the version of the format: bytes that say how long the header is. The third one differs from
#: the second in names of fields, which samples have none of.
_WIDTHS: Final = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
#: More than any array of numbers needs, and less than NumPy refuses.
_LONGEST: Final = 1 << 13
#: NumPy's arrays have no more.
_MOST_AXES: Final = 64
_LENGTHS: Final = range(1 << 63)
#: What Python's parser says of other texts, also of short ones with thousands of levels.
_NO_LITERAL: Final = (SyntaxError, TokenError, MemoryError, RecursionError)
#: What Python calls a part of a program that is no literal.
_OBJECT: Final = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>")


def read_header(file: IO[bytes]) -> Header:
    """Shape, whether it is stored column by column, and type; `ValueError` if there is none."""
    found: Header | None = None
    try:
        found = _header(file)
    except _NO_LITERAL:
        pass  # and no lack of memory, for which an error that came from it would be taken
    except Exception as error:
        reason = _OBJECT.sub("an expression", str(error)) or type(error).__name__
        raise ValueError(f"not a readable array: {reason}") from error
    if found is None:
        raise ValueError("not a readable array: its header is no literal of Python")
    _require_lengths(found[0])
    return found


def _header(file: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(file)
    if version not in _WIDTHS:
        raise ValueError(f"version {version} of the format")
    width = file.read(_WIDTHS[version])
    length = int.from_bytes(width, "little")
    if length > _LONGEST:
        raise ValueError(f"a header of {length:,} bytes; at most {_LONGEST:,} are read")
    header = io.BytesIO(width + file.read(length))
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(header)
    return np.lib.format.read_array_header_2_0(header)


def _require_lengths(shape: tuple[int, ...]) -> None:
    """`ValueError` for a shape that no array has; Python may not print its numbers."""
    if len(shape) > _MOST_AXES:
        raise ValueError(f"an array of {len(shape)} axes")
    for axis, length in enumerate(shape):
        # True is a number to NumPy.
        if type(length) is not int:
            raise ValueError(f"an array whose axis {axis} has the length {length!r}")
        if length not in _LENGTHS:
            what = "a negative length" if length < 0 else "a length above 2**63"
            raise ValueError(f"an array whose axis {axis} has {what}")
