"""How much of each thing a model file may have, so that no file takes time or memory at will."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

from qconvert import strict_json
from qconvert.errors import UsageError, similar

_UNITS = {"": 0, "KiB": 10, "MiB": 20, "GiB": 30}
#: Of a number as it is written: nothing has more bytes, or more of anything.
_DIGITS = 19
#: Of any limit: the system takes sums of several such.
_MOST = 1 << 60
#: Thirty years; a thread can be waited for nine times as long.
_MOST_SECONDS = 10**9


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that is read; sizes in bytes.

    A dataset may declare ``dataset_bytes`` whatever is stored of it, or ``dataset_ratio`` times
    as much as is stored. ``tensor_bytes`` are so few that any machine can hold the several tensors
    of a check, and copies. ``reader_*`` are those of the process that parses HDF5 and archives.
    """

    file_bytes: int = 4 << 30
    config_bytes: int = strict_json.SIZE
    json_depth: int = strict_json.DEPTH
    json_values: int = strict_json.VALUES
    layers: int = 10_000
    name_length: int = 200
    dataset_bytes: int = 16 << 20
    dataset_ratio: int = 20
    total_bytes: int = 4 << 30
    tensor_bytes: int = 512 << 20
    group_depth: int = 32
    archive_entries: int = 1000
    function_nodes: int = 100_000
    layer_tensors: int = 2_000_000
    reader_seconds: int = 30
    reader_memory: int = 4 << 30

    def of(self, name: str) -> str:
        """A limit for the end of a message, and how to raise it."""
        option = name.replace("_", "-")
        return f"limit {getattr(self, name):,} (--limit {option}=N raises it)"

    def with_values(self, values: Mapping[str, int]) -> "Limits":
        """Other values by name; `UsageError` for an unknown name, or a value out of its range."""
        known = {field.name.replace("_", "-"): field.name for field in fields(self)}
        changed: dict[str, int] = {}
        for name, value in values.items():
            option = name.replace("_", "-")
            if option not in known:
                near = f"{similar(option, known)}; there are {', '.join(known)}"
                raise UsageError("QC003", f"there is no limit {name!r}{near}")
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UsageError(
                    "QC003", f"the limit {name} has to be a positive integer{_found(value)}"
                )
            if value > (most := _most(option)):
                raise UsageError("QC003", f"the limit {name} is too large: it is at most {most:,}")
            changed[known[option]] = value
        return replace(self, **changed)


DEFAULT_LIMITS = Limits()


class FixedLimits(Limits):
    """The same of what no option raises a limit of."""

    __slots__ = ()

    def of(self, name: str) -> str:
        """A limit for the end of a message."""
        return f"limit {getattr(self, name):,}"


def _most(option: str) -> int:
    return _MOST_SECONDS if option == "reader-seconds" else _MOST


def _found(value: object) -> str:
    """What was given instead, if a message has the room for it."""
    return f", not {value}" if isinstance(value, int) and abs(value) < 10**_DIGITS else ""


def read_limits(texts: Iterable[str]) -> dict[str, int]:
    """Limits written as ``layers=20000`` or ``file-bytes=8GiB``; `UsageError` for other texts."""
    return dict(map(_read_limit, texts))


def _read_limit(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    if not (name and value):
        raise UsageError("QC001", f"{text!r} is not NAME=VALUE, such as layers=20000")
    found = re.fullmatch(r"(-?[0-9]+)(KiB|MiB|GiB|)", value)
    if found is None:
        forms = "20000, or 8KiB, 8MiB or 8GiB"
        raise UsageError("QC001", f"the limit {name} cannot be {value!r}; values are as {forms}")
    number, unit = found.groups()
    if len(number) > _DIGITS:
        reason = f"too large: a number of {len(number)} digits, and not of at most {_DIGITS}"
        raise UsageError("QC003", f"the limit {name} is {reason}")
    return name, int(number) << _UNITS[unit]
