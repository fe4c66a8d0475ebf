"""docs/HOSTILE.md."""

from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "HOSTILE.md"


def page() -> str:
    return ""
