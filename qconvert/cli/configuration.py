"""The configuration of ``qconvert check``: which models, with which options, have to pass.

``qconvert.toml``, or the table ``[tool.qconvert]`` of ``pyproject.toml``; docs/CONFIG.md explains
the keys, schemas/config.schema.json describes them.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any, Final

from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override
from cattrs.v import format_exception

from qconvert.amounts import MOST_SAMPLES
from qconvert.cli.options import CONVERTERS, VERDICTS
from qconvert.cli.toml import TomlError, parsed_toml, shown
from qconvert.errors import LimitError, UsageError, similar
from qconvert.modelfile.source import read_all
from qconvert.places import resolved

_MAX_BYTES: Final = 1 << 20
_ROOT: Final = 0
_NAMES: Final = ("qconvert.toml", "pyproject.toml")
#: Keys of a model that can also stand for all, above them.
_COMMON: Final = ("require", "samples", "seed", "tf-python")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredModel:
    """One model to check; paths are absolute, or names of programs."""

    model: Path
    onnx: Path | None = None
    weights: Path | None = None
    inputs: Path | None = None
    samples: int | None = None
    seed: int = 0
    domains: tuple[str, ...] = ()
    require: str = "sampled"
    scan: bool = False
    ignore: Mapping[str, str] = field(default_factory=dict)
    report: Path | None = None
    tf_python: Path | None = None
    via_tensorflow: bool = False
    opaque: str | None = None
    freeze_scales: Path | None = None
    strict: bool = False
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Configuration:
    """All models of the file *path*."""

    path: Path
    models: tuple[ConfiguredModel, ...]


def find(start: Path) -> Path:
    """The configuration in *start* or the nearest folder above it; `UsageError` if there is none.

    A ``pyproject.toml`` without our table is passed by.
    """
    for folder in (start, *start.parents):
        for name in _NAMES:
            path = folder / name
            if path.is_file() and _table(path) is not None:
                return path
    raise UsageError(
        "QC911",
        f"there is no {_NAMES[0]}, and no {_NAMES[1]} with [tool.qconvert], in {start} or above; "
        "name a model, or write one",
    )


def read_configuration(path: Path, *, found: bool = False) -> Configuration:
    """The configuration in *path*; `UsageError` with all that is wrong with it.

    One that was *found*, so that nobody named it, has to be this user's or root's, as its folder.
    """
    table = _table(path, found=found)
    if table is None:
        raise _wrong(path, "there is no table [tool.qconvert]")
    unknown = [key for key in table if key not in ("models", *_COMMON)]
    if unknown:
        known = ("models", *_COMMON)
        raise _wrong(path, *(f"unknown key {shown(key)}{similar(key, known)}" for key in unknown))
    entries = table.get("models", [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise _wrong(path, "models is no array of tables, as [[models]] makes it")
    if not entries:
        raise _wrong(path, "there is no [[models]], so that it names no model")
    common = {key: value for key, value in table.items() if key != "models"}
    converter = _converter(path.resolve().parent)
    try:
        # First as it stands, so that what is wrong is told once, and where it is.
        converter.structure(table, _Table)
        content = converter.structure({"models": [{**common, **each} for each in entries]}, _Table)
    except BaseValidationError as error:
        raise _wrong(path, *transform_error(error, format_exception=_told)) from None
    _require_apart(path, [resolved(each.report) for each in content.models if each.report])
    return Configuration(path, content.models)


@dataclass(frozen=True, slots=True)
class _Table:
    """The models, and what stands above them for all."""

    models: tuple[ConfiguredModel, ...]
    require: str = "sampled"
    samples: int | None = None
    seed: int = 0
    tf_python: Path | None = None


def _table(path: Path, *, found: bool = False) -> dict[str, Any] | None:
    """The configuration as TOML has it; None in a ``pyproject.toml`` that has none."""
    content = _toml(path, found=found)
    if path.name != "pyproject.toml":
        return content
    tool = content.get("tool", {})
    table = tool.get("qconvert") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise _wrong(path, "tool.qconvert is no table")
    return table


def _toml(path: Path, *, found: bool) -> dict[str, Any]:
    try:
        data = read_all(path, _MAX_BYTES, _require_own if found else None)
    except LimitError as error:
        raise _wrong(path, f"it is larger than {_MAX_BYTES >> 20} MiB") from error
    try:
        return parsed_toml(data)
    except TomlError as error:
        raise _wrong(path, str(error)) from None


def _require_own(path: Path, status: os.stat_result) -> None:
    """It names a program to run, as git's configuration does, which has ``safe.directory``.

    In a folder of another user it may be a hard link to one's own, whose paths lead elsewhere.
    """
    if not hasattr(os, "getuid"):
        return
    folders = dict.fromkeys((path.parent, resolved(path).parent))
    owners = {path: status.st_uid, **{folder: folder.stat().st_uid for folder in folders}}
    for each, owner in owners.items():
        if owner not in (_ROOT, os.getuid()):
            where = "" if each == path else f"its folder {each} "
            raise UsageError(
                "QC912",
                f"{path}: {where}belongs to another user (uid {owner}), and can name programs to "
                f"run; if you trust it, name it: --config {path}",
            )


def _require_apart(path: Path, folders: Sequence[Path]) -> None:
    """`UsageError` if a folder of a report is another one, or inside of it."""
    for folder, other in permutations(folders, 2):
        if folder == other:
            raise _wrong(path, f"two models write their report to {shown(str(folder))}")
        if other in folder.parents:
            inside = f"inside of {shown(str(other))}, that of another one"
            raise _wrong(path, f"a model writes its report to {shown(str(folder))}, {inside}")


def _wrong(path: Path, *reasons: str) -> UsageError:
    if len(reasons) == 1:
        return UsageError("QC910", f"{path}: {reasons[0]}")
    return UsageError("QC910", f"{path}:", *(f"  {reason}" for reason in reasons))


def _converter(folder: Path) -> Converter:
    """Reads nothing as something else than it is; paths are those seen from *folder*."""
    converter = Converter(forbid_extra_keys=True)
    converter.register_structure_hook(str, lambda value, _: _only(str, "a text", value))
    converter.register_structure_hook(bool, lambda value, _: _only(bool, "true or false", value))
    converter.register_structure_hook(int, lambda value, _: _count(value))
    converter.register_structure_hook(Path, lambda value, _: _path(folder, value))
    common: dict[str, Any] = {
        "require": override(struct_hook=lambda value, _: _one_of(VERDICTS, value)),
        "samples": override(struct_hook=lambda value, _: _count(value, 1, MOST_SAMPLES)),
        "tf_python": override(rename="tf-python", struct_hook=lambda x, _: _program(folder, x)),
    }
    read = make_dict_structure_fn(
        ConfiguredModel,
        converter,
        _cattrs_forbid_extra_keys=True,
        domains=override(struct_hook=lambda value, _: _texts(value)),
        ignore=override(struct_hook=lambda value, _: _reasons(value)),
        opaque=override(struct_hook=lambda value, _: _one_of(CONVERTERS, value)),
        limits=override(struct_hook=lambda value, _: _limits(value)),
        report=override(struct_hook=lambda value, _: _inside(folder, value)),
        via_tensorflow=override(rename="via-tensorflow"),
        freeze_scales=override(rename="freeze-scales"),
        **common,
    )
    converter.register_structure_hook(ConfiguredModel, read)
    converter.register_structure_hook(_Table, make_dict_structure_fn(_Table, converter, **common))
    return converter


def _only(kind: type, what: str, value: object) -> object:
    if type(value) is not kind:
        raise ValueError(f"{shown(value)} is not {what}")
    return value


def _count(value: object, least: int = 0, most: int | None = None) -> int:
    told = shown(value)
    if type(value) is not int or value < least or (most is not None and value > most):
        to = "" if most is None else f" to {most}"
        raise ValueError(f"{told} is not a whole number from {least}{to}")
    return value


def _one_of(known: Sequence[str], value: object) -> str:
    if not isinstance(value, str) or value not in known:
        hint = similar(value, known) if isinstance(value, str) else ""
        raise ValueError(f"{shown(value)} is none of {', '.join(known)}{hint}")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{shown(value)} is not a list of texts")
    return tuple(value)


def _reasons(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is not a table of layers, each with a reason")
    for layer, reason in value.items():
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"there is no reason why the layer {shown(layer)} is ignored")
    return value


def _limits(value: object) -> dict[str, int]:
    from qconvert.modelfile.limits import DEFAULT_LIMITS

    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is not a table of limits, each with a number")
    try:
        DEFAULT_LIMITS.with_values(value)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return value


def _path(folder: Path, value: object) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{shown(value)} is not a path")
    return folder / value


def _inside(folder: Path, value: object) -> Path:
    """A path to write to, which a file from elsewhere must not choose freely."""
    path = _path(folder, value)
    if folder not in resolved(path).parents:
        raise ValueError(f"{shown(value)} is not below the folder of the configuration")
    return path


def _program(folder: Path, value: object) -> Path:
    """A path, or a name that is looked for where programs are."""
    path = _path(folder, value)
    return path if "/" in str(value) else Path(str(value))


def _told(error: BaseException, kind: type | None) -> str:
    """What is wrong, in words; cattrs adds where."""
    match error:
        case ForbiddenExtraKeysError():
            return "; ".join(map(_unknown, sorted(error.extra_fields)))
        case KeyError():
            return f"the key {error.args[0]!r} is missing"
        case ValueError():
            return str(error)
        case _:
            return format_exception(error, kind)


def _unknown(key: str) -> str:
    known = [name.replace("_", "-") for name in ConfiguredModel.__dataclass_fields__]
    return f"unknown key {shown(key)}{similar(key, known)}"
