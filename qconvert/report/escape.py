"""Text from a model file, made safe for each place where it is shown.

`report/html` escapes by its templates, and JSON and XML by their libraries, of text without
characters that XML does not have, which `printable` leaves none of.
"""

import re
import unicodedata
from typing import Final

#: Characters that `shortened` and `cut` leave.
LIMIT: Final = 200

#: What Python makes of the bytes of a path from 0x80 on that are no UTF-8.
_BYTES: Final = range(0xDC80, 0xDD00)
#: What Markdown reads something out of within a line; a colon and a dot make addresses.
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>|~#@&:!]|(?<=www)\.)")

#: What makes a command of a line of a log, whoever prints it: ``::`` and ``##[`` to GitHub's
#: runner, ``##vso[`` to that of Azure, ``##teamcity[`` to TeamCity's.
_COMMAND: Final = re.compile(r"\A( *)(:)(?=:)|(#)(?=#\w*\[)")


def printable(text: str) -> str:
    r"""*text* with control, formatting and unassigned characters as ``\u{1b}``.

    So are the signs that make a command of it in the log of a CI job. Bytes of a path that are no
    UTF-8 are ``\xff``, as `modelfile.name_of` has them in documents.
    """
    shown = "".join(c if _is_visible(c) else _code(c) for c in text)
    return _COMMAND.sub(lambda found: f"{found[1] or ''}{_code(found[2] or found[3])}", shown)


def shortened(text: str) -> str:
    """What is `printable` of *text*, not longer than a few lines of a terminal."""
    return cut(printable(text[: LIMIT + 1]))


def cut(shown: str, most: int = LIMIT) -> str:
    """The first *most* characters of what is printable already, with dots if that is not all."""
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def _is_visible(character: str) -> bool:
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def _code(character: str) -> str:
    number = ord(character)
    if number in _BYTES:
        return f"\\x{number - _BYTES[0] + 0x80:02x}"
    return f"\\u{{{number:x}}}"


def markdown(text: str) -> str:
    """*text* in one line of Markdown that renders as itself, and tells nobody of it.

    A platform reads a name behind an at sign, and a number behind a hash, after that.
    """
    escaped = _MARKDOWN.sub(r"\\\1", printable(text))
    # A backslash before a dollar does not keep GitHub and GitLab from reading formulas.
    escaped = escaped.replace("$", "&#36;")
    return escaped.replace("@", "@<!-- -->").replace("\\#", "\\#<!-- -->")


def sarif(text: str) -> str:
    """*text* as the plain text of a SARIF message, in which brackets make links."""
    return re.sub(r"([\\\[\]])", r"\\\1", printable(text))


def annotation(text: str) -> str:
    """*text* as the message of a GitHub workflow command."""
    return printable(text).replace("%", "%25")


def annotation_property(text: str) -> str:
    """*text* as a value in the head of a GitHub workflow command."""
    return annotation(text).replace(":", "%3A").replace(",", "%2C")
