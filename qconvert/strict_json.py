"""JSON with one meaning only: unique keys, finite numbers of 64 bits, texts of UTF-8, some depth.

Other parsers take what this one refuses, each in its own way.
"""

import codecs
import json
import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

#: Bytes, or characters, of a text: of a model's architecture 10,000 layers take a part.
SIZE: Final = 32 << 20
#: Levels that Python's parser can read wherever it is called.
DEPTH: Final = 64
#: Values, of which Python reads a million in less than a second, into up to 200 MB.
VALUES: Final = 2_000_000
_INTEGERS: Final = range(-(1 << 63), 1 << 64)
_MAX_DIGITS: Final = len(str(1 << 64))
#: What begins a text in some encoding; UTF-32 in front of UTF-16, whose mark begins its own.
_MARKS: Final = (
    (codecs.BOM_UTF8, "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_HEAD: Final = 4096
#: What to do about it.
PLAIN: Final = "save it as UTF-8, without a mark in front"
#: Characters of a text in a message.
_SHOWN: Final = 200


class JsonError(ValueError):
    """What is wrong with a text, and the code of such errors."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TooDeepError(JsonError):
    """A text of more levels than were asked for."""

    def __init__(self, what: str) -> None:
        super().__init__("QC204", f"{what} is nested too deeply")


class TooManyError(JsonError):
    """A text of more values than were asked for."""

    def __init__(self, what: str) -> None:
        super().__init__("QC208", f"{what} has too many values")


def encoding_of(source: bytes) -> str | None:
    """The encoding of JSON, in words, by how it begins, if that is not plain UTF-8."""
    head = source[:_HEAD]
    mark, name = next((each for each in _MARKS if head.startswith(each[0])), (b"", "UTF-16"))
    text = head.removeprefix(mark)
    begins = text.replace(b"\0", b"").lstrip()[:1] in (b"{", b"[")
    return name if begins and (mark or b"\0" in text[:2]) else None


def parsed(
    source: bytes | str,
    what: str,
    depth: int = DEPTH,
    values: int = VALUES,
    unread: Collection[str] = (),
) -> Json:
    """What *source* says, in at most *depth* levels and *values*; `JsonError` calls it *what*.

    What an object has under the keys *unread* is left out, whatever is in it.
    """
    if isinstance(source, bytes) and (encoding := encoding_of(source)):
        raise JsonError("QC209", f"{what} is {encoding}: {PLAIN}")
    if _most_values(source) > values:
        raise TooManyError(what)
    try:
        value: Json = json.loads(
            source if isinstance(source, str) else source.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise JsonError(
            "QC202", f"{what} is not JSON: line {error.lineno}, column {error.colno}: {_why(error)}"
        ) from None
    except UnicodeDecodeError:
        raise JsonError("QC209", f"{what} is not UTF-8") from None
    except RecursionError:
        if depth <= DEPTH:
            raise TooDeepError(what) from None
        # What was asked for may be more than the parser can.
        raise JsonError("QC204", f"{what} is nested too deeply for Python's parser") from None
    if isinstance(value, dict):
        value = {key: each for key, each in value.items() if key not in unread}
    _check_tree(value, what, depth)
    return value


def parsed_object(
    source: bytes | str,
    what: str,
    depth: int = DEPTH,
    values: int = VALUES,
    unread: Collection[str] = (),
) -> dict[str, Json]:
    """`parsed`, where the root has to be an object."""
    value = parsed(source, what, depth, values, unread)
    if not isinstance(value, dict):
        raise JsonError("QC203", f"{what} is JSON, but not an object")
    return value


def _why(error: json.JSONDecodeError) -> str:
    """What stands at the place; Python's words end in front of it."""
    if error.msg.startswith("Unterminated string"):
        return "the text ends within the string that begins here"
    return error.msg.removesuffix(" at")


def _most_values(source: bytes | str) -> int:
    """How many there can be: each begins the text, or stands behind one of three characters."""
    if isinstance(source, bytes):
        return 1 + sum(map(source.count, (b",", b"[", b"{")))
    return 1 + sum(map(source.count, (",", "[", "{")))


@dataclass(frozen=True, slots=True, eq=False)
class _Refused:
    """Stands in the tree for a value that is refused, until it is known where that is."""

    code: str
    reason: str


_Value: TypeAlias = "Json | _Refused"


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json] | _Refused:
    result = dict(pairs)
    if len(result) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name in counts if counts[name] > 1)
        return _Refused("QC207", f"the key {twice[:_SHOWN]!r} occurs twice in one object")
    return result


def _constant(text: str) -> _Refused:
    return _Refused("QC206", f"{text} is not a JSON number")


def _float(text: str) -> float | _Refused:
    value = float(text)
    if not math.isfinite(value):
        return _Refused("QC206", f"the number {text[:40]} is out of range")
    return value


def _integer(text: str) -> int | _Refused:
    if len(text) > _MAX_DIGITS or int(text) not in _INTEGERS:
        return _Refused("QC205", f"the integer {text[:40]} is out of range")
    return int(text)


def _check_tree(root: Json, what: str, depth: int) -> None:
    level: list[_Value] = [root]
    for _ in range(depth + 1):
        if not level:
            return
        following: list[_Value] = []
        for value in level:
            try:
                following += _children(value)
            except JsonError as error:
                place = _keys_to(value, root)
                where = f"{what} at {place.removeprefix('.')}" if place else what
                raise JsonError(error.code, f"{where}: {error}") from None
        level = following
    raise TooDeepError(what)


def _children(value: _Value) -> list[_Value]:
    match value:
        case _Refused(code, reason):
            raise JsonError(code, reason)
        case dict():
            return [*value, *value.values()]
        case list():
            return [*value]
        case str():
            _require_unicode(value)
    return []


def _require_unicode(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise JsonError("QC209", f"a lone surrogate: {text[:_SHOWN]!r}") from None


def _keys_to(wanted: _Value, root: _Value) -> str:
    """What leads from *root* to that very object, as ``.layers[3]``.

    Without recursion, for what lies before it may be too deep, which is told after it.
    """
    keys: list[str] = []
    branches = [iter([("", root)])]
    while branches:
        found = next(branches[-1], None)
        if found is None:
            branches.pop()
            continue
        key, value = found
        keys[len(branches) - 1 :] = [key]
        if value is wanted:
            break
        branches.append(_members(value))
    return "".join(keys)


def _members(value: _Value) -> Iterator[tuple[str, _Value]]:
    match value:
        case dict():
            for name, child in value.items():
                shown = name[:_SHOWN]
                key = f".{shown}" if shown.isidentifier() else f"[{shown!r}]"
                yield from ((key, name), (key, child))
        case list():
            yield from ((f"[{i}]", child) for i, child in enumerate(value))
