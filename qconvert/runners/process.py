"""The process of a runtime: one JSON object a line each way, never waited for long.

Whatever the worker does instead of answering ends in `WitnessError`: it dies, prints something
else, answers another request, reports a failure, or stays silent until the time is over.
"""

import contextlib
import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self, TypeAlias

from qconvert.errors import UsageError, WitnessError
from qconvert.runners.environment import unstarted

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Answer: TypeAlias = dict[str, Json]

WORKER = Path(__file__).with_name("tf_worker")
#: Bytes of an answer, and how many may wait: what has no end does not fill the memory.
_LONGEST, _UNASKED = 16 << 20, 16
#: Seconds that an idle worker has to end by itself.
_PATIENCE = 5.0

_TENSORFLOW, REMEDY = "TensorFlow or QKeras", "pip install 'qconvert[tf]'"
_RUNTIME, _RUNTIME_REMEDY = "ONNX Runtime", "pip install 'qconvert[ort]'"
#: What TensorFlow logs as information or warnings.
_SMALL_TALK = re.compile(r"[IW]\d{4} \d\d:\d\d:|WARNING: All log messages before absl")
#: How Python ends where memory ran out.
_NO_MEMORY = re.compile(r"([\w.]+\.)?\w*MemoryError\b")
#: Where in ONNX Runtime's own source an error was raised.
_SOURCE = re.compile(r"/\S+\.(?:cc|h):\d+ ")


class Worker:
    """A context of a runtime's process and of a ``folder`` for the files of both sides.

    Entering it starts the process and does not wait for it. ``python`` is the interpreter to use,
    if not this one; ``timeout`` is in seconds, for each answer. Every method raises
    `WitnessError` when the worker fails, in whatever way.
    """

    #: What messages call it, and the name in the environment of its limit of time.
    name: ClassVar = "the worker"
    seconds: ClassVar = ""

    def __init__(self, python: Path | None = None, *, timeout: float = 600.0) -> None:
        self._python = str(python or sys.executable)
        self._option = f"--tf-python {python}: " if python else ""
        self._timeout = timeout
        self._sent = 0
        self._answered = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="qconvert-"))
            self.folder = Path(temporary)
            self._log = self.folder / "log"
            self._process = self._started()
            self._files = stack.pop_all()
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(self._out,), daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        idle = error is None and self._sent == self._answered
        self._close(patience=_PATIENCE if idle else 0.0)
        self._files.close()

    def _started(self) -> subprocess.Popen[bytes]:
        try:
            with self._log.open("wb") as errors:
                return subprocess.Popen(
                    self._command(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    # Else a process that is killed leaves its temporary files.
                    env=os.environ | {"TMPDIR": str(self.folder)},
                )
        except OSError as error:
            reason = unstarted(self._python, error)
            raise WitnessError(
                "QC720", f"{self.name} did not start: {self._option}{reason}"
            ) from error

    def _command(self) -> list[str]:
        return [self._python, str(WORKER)]

    def _explained(self, what: str) -> str:
        """*what* happened, with what may have been the cause."""
        return what

    @property
    def _limited_by(self) -> str:
        return f" ({self.seconds})" if self.seconds else ""

    @property
    def _in(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _out(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _read(self, stream: IO[bytes]) -> None:
        while self._lines.qsize() < _UNASKED and (line := stream.readline(_LONGEST)):
            self._lines.put(line)
        self._lines.put(b"")

    def ask(self, do: str, arguments: Mapping[str, Json]) -> Answer:
        """Send a request and wait for its answer."""
        self.send(do, arguments)
        return self.receive()

    def send(self, do: str, arguments: Mapping[str, Json]) -> None:
        """Send a request, whose answer is to be received in turn."""
        self._sent += 1
        request = {"do": do, "id": self._sent, **arguments}
        # A worker that is gone gives no answer, which `receive` reports.
        with contextlib.suppress(OSError):
            self._in.write(json.dumps(request).encode() + b"\n")
            self._in.flush()

    def receive(self) -> Answer:
        """Wait for the answer to the oldest request that has none yet."""
        self._answered += 1
        try:
            line = self._lines.get(timeout=self._timeout)
        except queue.Empty:
            self._kill()
            raise self._failure(
                "QC722", f"{self.name} gave no answer in {self._timeout:g} s{self._limited_by}"
            ) from None
        if not line:
            self._lines.put(b"")
            raise self._failure("QC721", f"{self.name} died{self._how()}")
        return self._checked(line)

    def _checked(self, line: bytes) -> Answer:
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise self._failure("QC723", f"{self.name} answered nonsense: {line[:80]!r}") from error
        if not isinstance(answer, dict) or answer.get("id") != self._answered:
            raise self._failure("QC723", f"{self.name} answered something else: {line[:80]!r}")
        if "error" in answer:
            raise self._reported(answer)
        return answer

    def _reported(self, answer: Answer) -> WitnessError:
        message = f"{answer.get('type')}: {words_of(answer['error'])}"
        if answer.get("type") == "ConflictError":
            return WitnessError("QC730", f"{self._python}: {answer['error']}")
        if answer.get("type") in ("ImportError", "ModuleNotFoundError"):
            ours = "'onnxruntime'" in message
            what, remedy = (_RUNTIME, _RUNTIME_REMEDY) if ours else (_TENSORFLOW, REMEDY)
            return WitnessError("QC725", f"{self._python} lacks {what} ({message}): {remedy}")
        return WitnessError("QC724", f"{self.name} failed: {message}")

    def _how(self) -> str:
        """What the system says of the end of the process, which may still be closing."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(1)
            return f", killed by signal {-code}" if code < 0 else f" with exit code {code}"
        return ""

    def _failure(self, code: str, what: str) -> WitnessError:
        """An error with the end of what the worker printed, without TensorFlow's small talk."""
        printed = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        lines = [line for line in printed if not _SMALL_TALK.match(line)]
        if lines and _NO_MEMORY.match(lines[-1]):
            # Where it ran out is chance.
            lines = lines[-1:]
        told = f"{self._option}{self._explained(what)}"
        return WitnessError(code, told, *(f"  {line}" for line in lines[-5:]))

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def confine(self, memory: int) -> None:
        """Let the process allocate, and write to a file, at most so many bytes, where systems can.

        Python gives the limits of another process to none but Linux.
        """
        if sys.platform != "linux":
            return
        import resource

        limits = {resource.RLIMIT_DATA: memory, resource.RLIMIT_FSIZE: memory}
        # One that is gone gives no answer, which `receive` reports.
        with contextlib.suppress(ProcessLookupError):
            for which, wanted in {**limits, resource.RLIMIT_CORE: 0}.items():
                _, hard = resource.prlimit(self._process.pid, which)
                most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
                resource.prlimit(self._process.pid, which, (most, most))

    def _close(self, patience: float) -> None:
        """Let the process end, or kill it after *patience* seconds; free everything."""
        with contextlib.suppress(OSError):  # a broken pipe with a request still in it
            self._in.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._kill()
        self._reader.join(1)
        if not self._reader.is_alive():
            self._out.close()


def words_of(error: Json) -> str:
    """What a runtime says of an error, without the place in its source."""
    return _SOURCE.sub("", str(error)).strip()


def limit(name: str, usual: int) -> int:
    """The limit *name* of the environment, or else the usual one; `UsageError` for no number."""
    text = os.environ.get(name)
    if text is None:
        return usual
    if not text.isdecimal() or not 0 < int(text) <= 1 << 30:
        raise UsageError("QC003", f"{name} is a whole number above 0, not {text!r}")
    return int(text)
