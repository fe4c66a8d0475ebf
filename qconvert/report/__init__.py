"""The report of a check and its renderings: JSON for machines, a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qconvert.report.document import SCHEMA, to_json

__all__ = ["SCHEMA", "to_json"]


def __getattr__(name: str) -> object:
    """Import the document when it is first used: `export` shows notes, and needs no check."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from qconvert.report import document

    return getattr(document, name)
