"""What ran out, whatever it looks like, as an error that a caller may catch."""

import errno
from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from qconvert.errors import LimitError

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: What the dynamic linker says, which Python makes an ImportError of.
_LINKER: Final = ("failed to map segment", "cannot allocate memory")
#: What Python says, which has no error of its own for it.
_THREADS: Final = "can't start new thread"


def shortage(error: BaseException) -> LimitError | None:
    """What ran out, if that is what *error* says or comes from, be it taken for a damaged file."""
    match error:
        case LimitError():  # has said it already
            return None
        case RecursionError():
            return LimitError("QC801", "the model is too deep for the stack of Python")
    lack = _lack(error)
    return None if lack is None else LimitError("QC801", lack)


def _lack(error: BaseException) -> str | None:
    match error:
        case MemoryError() | OSError(errno=errno.ENOMEM):
            return "out of memory"
        case ImportError() if any(text in str(error).lower() for text in _LINKER):
            return "out of memory"
        case OSError(errno=errno.EMFILE | errno.ENFILE):
            return "too many files are open (ulimit -n)"
        case RuntimeError() if _THREADS in str(error):
            return "no further thread can be started (ulimit -u)"
    cause = error.__cause__ or error.__context__
    return None if cause is None else _lack(cause)


def telling_shortages(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """*function*, which raises `LimitError` where any of them runs out."""

    @wraps(function)
    def telling(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            lack = shortage(error)
            if lack is None:
                raise
            raise lack from error

    return telling
