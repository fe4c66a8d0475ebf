"""Isolated readers that are forked by one process, for tests in which hundreds of files are read.

Most readers do little more than a fifth of a second of importing. Each is a process of its own as
ever; only the reader itself, with its usual memory and time, is forked: others are started.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, cast

import pytest

from qconvert.modelfile import DEFAULT_LIMITS, Limits, isolated, onnx_model, reading
from qconvert.modelfile.isolated import Reader

PROGRAM: Final = Path(__file__).with_name("forking_reader.py")
READER: Final = isolated.READER
#: What readers of any file import.
PACKAGES: Final = ("numpy", "h5py", "onnx", "google", "ml_dtypes", "typing_extensions")


class Forked:
    """Stands for `subprocess.Popen`, as far as `Reader` needs it."""

    def __init__(self, forking: socket.socket, files: tuple[int, ...]) -> None:
        first, write = os.pipe()
        read, second = os.pipe()
        told, status = os.pipe()
        given = (first, second, status)
        message = json.dumps([str(READER), files]).encode()
        socket.send_fds(forking, [message], [*given, *files])
        for each in given:
            os.close(each)
        self.stdin, self.stdout = os.fdopen(write, "wb"), os.fdopen(read, "rb")
        self._told = os.fdopen(told, "rb", buffering=0)
        self.number = int(self._told.readline())
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """How it ended; a negative number is a signal's."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(READER), timeout or 0)
            self.returncode = int(self._told.readline())
        return self.returncode

    def kill(self) -> None:
        """End it, unless it has ended."""
        if self.returncode is None and not select.select([self._told], [], [], 0)[0]:
            os.kill(self.number, signal.SIGKILL)

    def close(self) -> None:
        """Wait for its end, and leave nothing open."""
        self.wait()
        self.stdout.close()
        self.stdin.close()
        self._told.close()


class ForkedReaders:
    """Stands for `isolated.started`."""

    def __init__(self) -> None:
        self._own, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folders = isolated.confined(DEFAULT_LIMITS, PACKAGES)["path"]
        command = [sys.executable, "-I", "-S", "-B", str(PROGRAM), *cast(list[str], folders)]
        kept = {name: os.environ[name] for name in isolated._KEPT if name in os.environ}
        environment = kept | isolated._ENVIRONMENT
        self._process = subprocess.Popen(command, stdin=theirs.fileno(), env=environment, cwd="/")
        theirs.close()

    def started(self, files: tuple[int, ...], limits: Limits) -> AbstractContextManager[Reader]:
        """A reader with these files."""
        usual = ("reader_memory", "reader_seconds")
        confined = all(getattr(limits, n) == getattr(DEFAULT_LIMITS, n) for n in usual)
        if confined and isolated.READER == READER:
            return self._forked(files, limits)
        return isolated.started(files, limits)

    @contextmanager
    def _forked(self, files: tuple[int, ...], limits: Limits) -> Iterator[Reader]:
        process: Any = Forked(self._own, files)
        try:
            yield Reader(process, limits)
        finally:
            process.kill()
            process.close()

    def stop(self) -> None:
        """End the process that forks them."""
        self._own.close()
        self._process.wait()


@pytest.fixture(scope="session")
def forked_readers() -> Iterator[ForkedReaders]:
    readers = ForkedReaders()
    yield readers
    readers.stop()


@pytest.fixture
def forked_reader(forked_readers: ForkedReaders, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a test are read in forks."""
    for user in (onnx_model, reading):
        monkeypatch.setattr(user, "started", forked_readers.started)
