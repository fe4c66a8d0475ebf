"""Folders of models that several files of tests read, though each may have a process of its own."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

#: What pytest-xdist calls the folder of a process, in that of the whole run.
_OF_A_PROCESS = "popen-"


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """The folder that the first process of this run to ask for it has built; others wait."""
    own = factory.getbasetemp()
    folder = (own.parent if own.name.startswith(_OF_A_PROCESS) else own) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            # Renamed when it is complete, so that nobody finds a half of it.
            unfinished = factory.mktemp(name)
            build(unfinished)
            unfinished.rename(folder)
    return folder
