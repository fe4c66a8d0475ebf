"""Modules that Keras imports wherever they are installed, and that nothing here computes with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")
#: For data and images: a third of the time to start.
UNUSED = ("pandas", "scipy", "sklearn")


def leave_out() -> None:
    """Have each import of them fail as if they were not installed."""
    for name in UNUSED:
        sys.modules[name] = None  # type: ignore[assignment]


def with_all_needed(ask: Callable[[], Answer]) -> Answer:
    """What *ask* returns; asked once more with all modules if it may miss one that is left out."""
    try:
        return ask()
    except ImportError:
        left_out = [name for name in UNUSED if sys.modules.get(name, sys) is None]
        if not left_out:
            raise
        for name in left_out:
            del sys.modules[name]
        return ask()
