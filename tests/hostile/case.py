"""A bad file, and what whoever reads it is told; `cases` has tables of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Writes into an empty folder; the model in it.
Make = Callable[[Path], Path]


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


def bytes_of(content: bytes, name: str = "model.h5") -> Make:
    """A file of these bytes."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make
