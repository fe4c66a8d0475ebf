"""The generated pages are what the code says."""

from scripts.reference import pages


def test_the_reference_is_current() -> None:
    """If not: scripts/reference.py."""
    for path, text in pages().items():
        assert path.read_text(encoding="utf-8") == text
