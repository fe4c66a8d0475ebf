"""The report as JSON, as ``schemas/report.schema.json`` describes it, and back."""

import json
import math
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, partial
from pathlib import Path
from types import GenericAlias
from typing import Any, Final, TypeAlias, get_args, get_origin

from cattrs import BaseValidationError, Converter, transform_error
from cattrs.cols import list_structure_factory
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn
from cattrs.v import format_exception

from qconvert.checking.results import (
    Comparison,
    LayerResult,
    OutputResult,
    Report,
    WeightResult,
)
from qconvert.checking.witness import Witness
from qconvert.errors import BadFileError, LimitError
from qconvert.modelfile.json_limits import parse_object
from qconvert.modelfile.limits import FixedLimits
from qconvert.modelfile.magic import described, is_json
from qconvert.modelfile.malformed import MalformedError, blaming
from qconvert.modelfile.source import HEAD, kind_of, read_all
from qconvert.report.plausible import implausible
from qconvert.strict_json import encoding_of

#: Changes when a reader of the old form would misunderstand the new one.
SCHEMA: Final = "qconvert.report/1"
#: Its name in a folder of reports.
FILE: Final = "report.json"
#: What the schemas of all versions begin with.
_SCHEMAS: Final = "qconvert.report/"
_GIVE: Final = f"give {FILE}, or the folder that check --report has written"
#: Of a report: those of thousands of layers take less.
_MOST_BYTES: Final = 256 << 20

#: Of names of something, and what belongs to each.
Pairs: TypeAlias = tuple[tuple[object, object], ...]
Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"

_Inlined: TypeAlias = Comparison | WeightResult | LayerResult | OutputResult
#: Dataclasses of which a field's own fields stand among the others in JSON; inner ones first.
_INLINED: Final[Mapping[type[_Inlined], str]] = {
    Comparison: "difference",
    WeightResult: "difference",
    LayerResult: "finding",
    OutputResult: "finding",
}


def to_json(report: Report, *, timed: bool = True) -> str:
    """The report as a JSON document; the same report gives the same text.

    Without *timed* it does not tell how long what took, so that the same check gives the same text.
    Numbers that float32 or float64 holds are written so that they read back the same; what JSON
    has no number for is one of the strings ``inf``, ``-inf`` and ``nan``.
    """
    content = {"schema": SCHEMA, **_derived(report), **_converter().unstructure(report)}
    seconds = content["seconds"] if timed else {}
    content["seconds"] = {part: round(spent, 3) for part, spent in seconds.items()}
    return json.dumps(content, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def read_report(path: Path) -> Report:
    """The report in a file that `to_json` made; `BadFileError` if it is anything else."""
    with blaming(path):
        content = _parsed(path)
    if content.get("schema") != SCHEMA:
        raise BadFileError(
            "QC140", path, f"is not a report of qconvert check: its schema is not {SCHEMA}"
        )
    try:
        return _structured(content)
    except (BaseValidationError, _ContradictionError, _MissingError) as error:
        found = _wrong_places(error) if isinstance(error, BaseValidationError) else [str(error)]
        raise BadFileError(
            "QC140", path, "is not a whole report: " + "; ".join(found[:3])
        ) from error


def report_at(path: Path) -> Path:
    """The report in a folder that ``check --report`` has written; any other *path* as it is."""
    inside = path / FILE
    return inside if kind_of(inside) == stat.S_IFREG else path


def is_report(path: Path) -> bool:
    """Whether a file says of itself that it is a report, of this version or another."""
    try:
        schema = _parsed(path).get("schema")
    except (BadFileError, LimitError, MalformedError):
        return False
    return isinstance(schema, str) and schema.startswith(_SCHEMAS)


def _parsed(path: Path) -> Mapping[str, Json]:
    data = read_all(path, _MOST_BYTES)
    if not data:
        raise MalformedError("QC101", "an empty file")
    if not is_json(data) and encoding_of(data) is None:
        what = described(data[:HEAD]) or "no JSON object"
        raise MalformedError("QC140", f"is not a report of qconvert check: it is {what}; {_GIVE}")
    limits = FixedLimits(config_bytes=_MOST_BYTES)
    return parse_object(data, "the report", limits)


def _wrong_places(error: BaseValidationError) -> list[str]:
    """What is wrong, and where, of a document that has not the form of a report."""
    return transform_error(error, format_exception=_told)


def _told(error: BaseException, kind: type | None) -> str:
    return str(error) if isinstance(error, ValueError) else format_exception(error, kind)


class _MissingError(ValueError):
    """An object of a document has not all fields."""


class _ContradictionError(Exception):
    """What a document says of itself does not follow from what is in it."""


def _structured(content: Mapping[str, Json]) -> Report:
    names = {field.name for field in fields(Report)}
    report = _converter().structure({n: x for n, x in content.items() if n in names}, Report)
    derived: Mapping[str, object] = {"schema": SCHEMA, **_derived(report)}
    told = {name: value for name, value in content.items() if name not in names}
    for name in dict.fromkeys((*derived, *told)):
        if name not in told:
            raise _MissingError(f"lacks {name!r}")
        if name not in derived or told[name] != derived[name]:
            raise _ContradictionError(f"{name!r} is not what follows from the rest")
    if wrong := list(implausible(report)):
        raise _ContradictionError("; ".join(wrong[:3]))
    return report


def _derived(report: Report) -> dict[str, Json]:
    first = report.first_difference
    return {
        "verdict": report.verdict.value,
        "passed": report.passed,
        "reference_ambiguous": report.reference_ambiguous,
        "first_difference": None if first is None else first.name,
    }


@cache
def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, prefer_attrib_converters=False)
    converter.register_unstructure_hook(float, _number)
    converter.register_structure_hook(float, _float)
    converter.register_structure_hook(str, partial(_only, str))
    converter.register_structure_hook(bool, partial(_only, bool))
    converter.register_structure_hook(int, partial(_only, int))
    converter.register_unstructure_hook_factory(_is_table, partial(_from_table, converter))
    converter.register_structure_hook_factory(_is_table, partial(_to_table, converter))
    converter.register_structure_hook_factory(_is_list, partial(_to_list, converter))
    converter.register_structure_hook_factory(is_dataclass, partial(_to_whole, converter))
    for kind, name in _INLINED.items():
        _inline(converter, kind, name)
    return converter


def _inline(converter: Converter, kind: type[_Inlined], name: str) -> None:
    """Let the fields of the field *name* of *kind* stand among those of *kind*."""
    write: Callable[[object], dict[str, object]] = make_dict_unstructure_fn(kind, converter)
    read = _to_whole(converter, kind)
    own = {field.name for field in fields(kind) if field.name != name}

    def flat(value: object) -> dict[str, object]:
        result = write(value)
        inner = result.pop(name)
        assert isinstance(inner, dict)
        return {**result, **inner}

    def nested(value: object, _: object) -> object:
        found = _object(value)
        rest = {key: x for key, x in found.items() if key not in own}
        return read({**{key: x for key, x in found.items() if key in own}, name: rest}, _)

    converter.register_unstructure_hook(kind, flat)
    converter.register_structure_hook(kind, nested)


def _to_whole(converter: Converter, kind: type[Any]) -> Callable[[object, object], object]:
    """Of an object with all fields of *kind*: what is missing has no default in a document."""
    read = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True)
    names = [field.name for field in fields(kind)]

    def whole(value: object, _: object) -> object:
        found = _object(value)
        if missing := [name for name in names if name not in found]:
            raise _MissingError(f"lacks {', '.join(map(repr, missing))}")
        return read(found, kind)

    return whole


def _is_list(kind: object) -> bool:
    """Whether *kind* is ``tuple[value, ...]``, and no table."""
    return get_origin(kind) is tuple and get_args(kind)[1:] == (...,) and not _is_table(kind)


def _to_list(converter: Converter, kind: object) -> Callable[[object, object], object]:
    """Not of whatever else can be gone through, such as a text and an object."""
    kinds: Any = GenericAlias(list, get_args(kind)[:1])
    read = list_structure_factory(kinds, converter)
    return lambda found, _: tuple(read(_only(list, found, None), kinds))


def _is_table(kind: object) -> bool:
    """Whether *kind* is ``tuple[tuple[key, value], ...]`` with a name of something as key."""
    inner = get_args(kind)
    if get_origin(kind) is not tuple or len(inner) != 2 or inner[1] is not Ellipsis:
        return False
    pair = get_args(inner[0])
    return get_origin(inner[0]) is tuple and len(pair) == 2 and pair[0] in (str, Witness)


def _from_table(converter: Converter, kind: object) -> Callable[[Pairs], dict[str, object]]:
    key, value = get_args(get_args(kind)[0])
    return lambda pairs: {
        converter.unstructure(k, key): converter.unstructure(v, value) for k, v in pairs
    }


def _to_table(converter: Converter, kind: object) -> Callable[[object, object], object]:
    key, value = get_args(get_args(kind)[0])

    def table(found: object, _: object) -> object:
        return tuple(
            (converter.structure(k, key), converter.structure(v, value))
            for k, v in _object(found).items()
        )

    return table


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"not an object: {value!r:.60}")
    return value


def _only(kind: type, value: object, _: object) -> object:
    if type(value) is not kind:
        raise ValueError(f"not of type {kind.__name__}: {value!r:.60}")
    return value


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _float(value: object, _: object) -> float:
    if isinstance(value, str) and value in ("inf", "-inf", "nan"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"not a number: {value!r:.60}")
    return float(value)
