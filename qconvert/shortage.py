"""Too little memory or stack, whatever it looks like, as an error that a caller may catch."""

import errno
from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from qconvert.errors import LimitError

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: What the dynamic linker says, which Python makes an ImportError of.
_LINKER: Final = ("failed to map segment", "cannot allocate memory")


def shortage(error: BaseException) -> LimitError | None:
    """What ran out, if that is what *error* says or comes from, be it taken for a damaged file."""
    match error:
        case LimitError():  # has said it already
            return None
        case RecursionError():
            return LimitError("QC801", "the model is too deep for the stack of Python")
        case _ if _ran_out(error):
            return LimitError("QC801", "out of memory")
    return None


def _ran_out(error: BaseException) -> bool:
    match error:
        case MemoryError():
            return True
        case OSError(errno=errno.ENOMEM):
            return True
        case ImportError() if any(text in str(error).lower() for text in _LINKER):
            return True
    cause = error.__cause__ or error.__context__
    return cause is not None and _ran_out(cause)


def telling_shortages(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """*function*, which raises `LimitError` where memory or stack run out."""

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
