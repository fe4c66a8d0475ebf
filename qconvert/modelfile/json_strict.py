"""JSON with one meaning only: unique keys, finite numbers, bounded size and depth."""

import codecs
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from qconvert.modelfile.limits import DEFAULT_LIMITS, Limits
from qconvert.modelfile.malformed import BeyondLimitError, MalformedError
from qconvert.modelfile.model import Json

_INTEGERS = range(-(1 << 63), 1 << 64)
_MAX_DIGITS = len(str(1 << 64))
#: What begins a text in some encoding; UTF-32 in front of UTF-16, whose mark begins its own.
_MARKS = (
    (codecs.BOM_UTF8, "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_HEAD = 4096
#: What to do about it.
PLAIN = "save it as UTF-8, without a mark in front"
#: Characters of a text in a message.
_SHOWN = 200


def encoding_of(source: bytes) -> str | None:
    """The encoding of JSON, in words, by how it begins, if that is not plain UTF-8."""
    head = source[:_HEAD]
    mark, name = next((each for each in _MARKS if head.startswith(each[0])), (b"", "UTF-16"))
    text = head.removeprefix(mark)
    begins = text.replace(b"\0", b"").lstrip()[:1] in (b"{", b"[")
    return name if begins and (mark or b"\0" in text[:2]) else None


def parse_json(source: bytes | str, what: str, limits: Limits = DEFAULT_LIMITS) -> Json:
    """Parse *source*, which errors call *what*; `MalformedError` if it is not strict JSON."""
    if len(source) > limits.config_bytes:
        raise BeyondLimitError("QC208", f"{what} is too large: {limits.of('config_bytes')}")
    if isinstance(source, bytes) and (encoding := encoding_of(source)):
        raise MalformedError("QC209", f"{what} is {encoding}: {PLAIN}")
    try:
        value: Json = json.loads(
            source if isinstance(source, str) else source.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise MalformedError(
            "QC202", f"{what} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except UnicodeDecodeError:
        raise MalformedError("QC209", f"{what} is not UTF-8") from None
    except RecursionError:
        if limits.json_depth <= DEFAULT_LIMITS.json_depth:
            raise _too_deep(what, limits) from None
        # What an option allows may be more than the parser can.
        raise MalformedError("QC204", f"{what} is nested too deeply for Python's parser") from None
    _check_tree(value, what, limits)
    return value


def parse_object(
    source: bytes | str, what: str, limits: Limits = DEFAULT_LIMITS
) -> dict[str, Json]:
    """`parse_json`, where the root has to be an object."""
    value = parse_json(source, what, limits)
    if not isinstance(value, dict):
        raise MalformedError("QC203", f"{what} is JSON, but not an object")
    return value


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


def _check_tree(root: Json, what: str, limits: Limits) -> None:
    level: list[_Value] = [root]
    for _ in range(limits.json_depth + 1):
        if not level:
            return
        following: list[_Value] = []
        for value in level:
            try:
                following += _children(value)
            except MalformedError as error:
                place = _keys_to(value, root)
                where = f"{what} at {place.removeprefix('.')}" if place else what
                raise MalformedError(error.code, f"{where}: {error}") from None
        level = following
    raise _too_deep(what, limits)


def _too_deep(what: str, limits: Limits) -> MalformedError:
    return MalformedError("QC204", f"{what} is nested too deeply: {limits.of('json_depth')}")


def _children(value: _Value) -> list[_Value]:
    match value:
        case _Refused(code, reason):
            raise MalformedError(code, reason)
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
        raise MalformedError("QC209", f"a lone surrogate: {text[:_SHOWN]!r}") from None


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
