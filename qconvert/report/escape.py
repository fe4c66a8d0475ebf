"""Text from a model file, made safe for a terminal."""

import unicodedata


def printable(text: str) -> str:
    r"""*text* with control, formatting and unassigned characters as ``\u{1b}``."""
    return "".join(
        f"\\u{{{ord(c):x}}}" if unicodedata.category(c)[0] in "CZ" and c != " " else c for c in text
    )
