"""Files that are read as a whole: regular ones, of a limited size, and waited for by nobody."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pytest

from qconvert.errors import BadFileError, LimitError
from qconvert.modelfile.source import read_all


@pytest.fixture(autouse=True)
def _impatient() -> Iterator[None]:
    """Who waits for a pipe is interrupted."""

    def give_up(number: int, frame: FrameType | None) -> NoReturn:
        raise TimeoutError("waited")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a" * 4096)
    assert read_all(path, 4096) == b"a" * 4096
    with pytest.raises(LimitError) as found:
        read_all(path, 4095)
    assert found.value.code == "QC110" and str(path) in str(found.value)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(BadFileError) as found:
            read_all(path, 1)
        assert found.value.code == "QC106"


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the question what it is and its opening."""
    os.mkfifo(tmp_path / "pipe")
    file = tmp_path / "file"
    file.write_bytes(b"")
    status = file.stat()
    assert stat.S_ISREG(status.st_mode)
    monkeypatch.setattr(Path, "stat", lambda path: status)
    with pytest.raises(BadFileError) as found:
        read_all(tmp_path / "pipe", 1)
    assert found.value.code == "QC106"


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no such file") as found:
        read_all(tmp_path / "gone", 1)
    assert found.value.code == "QC107"
