"""A bad file, and what whoever reads it is told; `cases` and `commands` have tables of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Writes into an empty folder; the model in it.
Make = Callable[[Path], Path]
#: Writes into an empty folder; the words of a command.
Prepare = Callable[[Path], Sequence[str | Path]]


@dataclass(frozen=True, slots=True)
class Case:
    """A file, the code of its error ("" if it is read), the exit code, and a part of the text.

    ``row`` is that of docs/HOSTILE.md.
    """

    row: int
    name: str
    make: Make
    code: str
    exit_code: int
    says: str = ""
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A command that gets something bad, its code ("" if none is told) and its exit code.

    What it tells has ``says`` in it, and not ``never``. It is started in the folder that was
    prepared, by the program ``through`` if there is one, and may leave ``outputs`` there and
    nothing else, and open what its words and ``opens`` name.
    """

    row: int
    name: str
    prepare: Prepare
    code: str
    exit_code: int
    says: str = ""
    never: str = ""
    outputs: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    through: tuple[str, ...] = ()


def bytes_of(content: bytes, name: str = "model.h5") -> Make:
    """A file of these bytes."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def exporting(case: Case) -> Call:
    """The export of a bad file."""

    def prepare(folder: Path) -> Sequence[str | Path]:
        limits = [word for name, value in case.limits.items() for word in _limit(name, value)]
        return ["export", case.make(folder), "-o", folder / "out.onnx", *limits]

    return Call(
        case.row,
        case.name,
        prepare,
        case.code,
        case.exit_code,
        case.says,
        outputs=() if case.code else ("out.onnx",),
    )


def checking(case: Case) -> Call:
    """The check of a bad file, which ends before anything runs."""

    def prepare(folder: Path) -> Sequence[str | Path]:
        _, model, _, _, *limits = exporting(case).prepare(folder)
        return ["check", model, *limits]

    return Call(case.row, f"{case.name}, checked", prepare, case.code, case.exit_code, case.says)


def _limit(name: str, value: int) -> tuple[str, str]:
    return "--limit", f"{name}={value}"
