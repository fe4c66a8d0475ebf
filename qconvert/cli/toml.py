"""TOML of which no text takes long to read: with keys of few parts, and few levels."""

import re
import tomllib
from typing import Any, Final

#: Of integers of thousands of digits, which Python neither reads nor, from hexadecimal, writes.
_TOO_LONG: Final = "a number in it has too many digits"
#: Parts of keys and brackets within each other; of more, tomllib's time grows with the square.
_DEPTH: Final = 64
#: All but the signs that nest, and what ends a key: strings and comments have none of them, and a
#: string without its end, which is an error, takes the rest of the text or line.
_INERT: Final = re.compile(
    r'"""(?:\\.|.)*?(?:"{3,5}|\Z)'
    r"|'''.*?(?:'{3,5}|\Z)"
    r'|"(?:\\.|[^"\\\n])*"?'
    r"|'[^'\n]*'?"
    r"|#[^\n]*"
    r"""|[^]\n.,[{}"'#]+""",
    re.DOTALL,
)
#: Characters of a value in a message.
_SHOWN: Final = 60


class TomlError(ValueError):
    """What is wrong with a text, in words."""


def parsed_toml(data: bytes) -> dict[str, Any]:
    """The table that *data* are; `TomlError` if they are none."""
    try:
        text = data.decode()
        if _depth(text) > _DEPTH:
            raise TomlError("it is nested too deeply")
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TomlError(f"it is no TOML: {error}") from None
    except TomlError:
        raise
    except ValueError:
        raise TomlError(_TOO_LONG) from None


def shown(value: object) -> str:
    """A value for a message; `TomlError` for a number that cannot be written."""
    try:
        text = repr(value)
    except ValueError:
        raise TomlError(_TOO_LONG) from None
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _depth(text: str) -> int:
    """The most dots of keys and open brackets at a place, of which numbers have one, too."""
    deepest, dots = 0, [0]
    for sign in _INERT.sub("", text):
        match sign:
            case ".":
                dots[-1] += 1
            case "[" | "{":
                dots.append(0)
            case "]" | "}" if len(dots) > 1:
                dots.pop()
            case _:
                dots[-1] = 0
        deepest = max(deepest, len(dots) - 1 + sum(dots))
        if deepest > _DEPTH:
            break
    return deepest
