"""qconvert: QKeras models to ONNX files that give the same answers, checked layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qconvert.api import (
        bench,
        check,
        diff,
        effective_weights,
        explain,
        export,
        inspect,
        load,
    )

__all__ = [
    "bench",
    "check",
    "diff",
    "effective_weights",
    "explain",
    "export",
    "inspect",
    "load",
]


def __getattr__(name: str) -> object:
    """Import a public function when it is first used; ``import qconvert`` is cheap."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from qconvert import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
