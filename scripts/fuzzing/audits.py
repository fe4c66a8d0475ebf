"""F10: files of the other targets, read under an audit hook: nothing else is opened, or run."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hypothesis import strategies as st

from scripts.fuzzing import seeds, structures
from scripts.fuzzing.drawn import Drawn
from scripts.fuzzing.mutations import Mutated, Repacked, mutated, repacked
from scripts.fuzzing.structures import Structure
from scripts.fuzzing.tally import WrongError
from tests.hostile.auditing import audited

#: Files of one process, most of whose time is its start.
_AT_ONCE: Final = 25

_FILES: Final = st.one_of(
    structures.structures(),
    mutated(seeds.files()),
    mutated(seeds.archives()),
    repacked(seeds.archives()),
)


def attempt(cases: list[Structure | Mutated | Repacked]) -> str:
    """Write the files and have them read; what happens besides is wrong."""
    with TemporaryDirectory() as name:
        files = [[str(_written(case, Path(name) / f"{i}"))] for i, case in enumerate(cases)]
        found = audited(Path(name), files)
    if found:
        raise WrongError("\n".join(found))
    return ""


def _written(case: Structure | Mutated | Repacked, folder: Path) -> Path:
    folder.mkdir()
    if isinstance(case, Structure):
        return structures.written(case, folder)[0]
    path = folder / "model"
    path.write_bytes(case.content())
    return path


TARGET: Final[Drawn[Any]] = Drawn(
    name="audit",
    what=f"{_AT_ONCE} such files at a time, under an audit hook",
    inputs=st.lists(_FILES, min_size=_AT_ONCE, max_size=_AT_ONCE),
    attempt=attempt,
    content=lambda cases: json.dumps([repr(case) for case in cases]).encode(),
    suffix=".json",
    seconds=60.0,
    shrinks=False,
)
