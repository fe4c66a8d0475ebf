"""JSON with one meaning only: unique keys, finite numbers, bounded size and depth."""

import json
import math
from collections import Counter
from typing import NoReturn

from qconvert.modelfile.limits import DEFAULT_LIMITS, Limits
from qconvert.modelfile.malformed import BeyondLimitError, MalformedError
from qconvert.modelfile.model import Json

_INTEGERS = range(-(1 << 63), 1 << 64)
_MAX_DIGITS = len(str(1 << 64))


def parse_json(source: bytes | str, what: str, limits: Limits = DEFAULT_LIMITS) -> Json:
    """Parse *source*, which errors call *what*; `MalformedError` if it is not strict JSON."""
    if len(source) > limits.config_bytes:
        raise BeyondLimitError("QC208", f"{what} is too large: {limits.of('config_bytes')}")
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
        raise _too_deep(what, limits) from None
    except MalformedError as error:
        raise MalformedError(error.code, f"{what}: {error}") from None
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


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name in counts if counts[name] > 1)
        raise MalformedError("QC207", f"the key {twice[:200]!r} occurs twice in one object")
    return result


def _constant(text: str) -> NoReturn:
    raise MalformedError("QC206", f"{text} is not a JSON number")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise MalformedError("QC206", f"the number {text[:40]} is out of range")
    return value


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS or int(text) not in _INTEGERS:
        raise MalformedError("QC205", f"the integer {text[:40]} is out of range")
    return int(text)


def _check_tree(root: Json, what: str, limits: Limits) -> None:
    level = [root]
    for _ in range(limits.json_depth + 1):
        if not level:
            return
        level = [child for value in level for child in _children(value, what)]
    raise _too_deep(what, limits)


def _too_deep(what: str, limits: Limits) -> MalformedError:
    return MalformedError("QC204", f"{what} is nested too deeply: {limits.of('json_depth')}")


def _children(value: Json, what: str) -> list[Json]:
    match value:
        case dict():
            return [*value, *value.values()]
        case list():
            return value
        case str():
            _require_unicode(value, what)
    return []


def _require_unicode(text: str, what: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedError("QC209", f"{what} holds a lone surrogate: {text[:200]!r}") from None
