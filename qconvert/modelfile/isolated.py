"""The process that parses HDF5, archives and ONNX, so that a bad file crashes or hangs no other.

It has nothing of this process but the file: an empty environment, no site packages but those
that parse it, limits of memory, time and output. Nothing that it says is believed unchecked.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from signal import SIGXCPU, Signals
from typing import IO, TypeAlias

from qconvert.errors import LimitError, WitnessError
from qconvert.modelfile.json_limits import parse_object
from qconvert.modelfile.limits import Limits
from qconvert.modelfile.malformed import BeyondLimitError, MalformedError, UnwrittenError
from qconvert.strict_json import Json

Request: TypeAlias = Mapping[str, object]
Answer: TypeAlias = dict[str, Json]

READER = Path(__file__).with_name("inside")
#: What a process for HDF5 and archives imports.
_HDF5 = ("numpy", "h5py")
#: Bytes of an answer: names and places of all weights.
_MAX_ANSWER = 64 << 20
#: What an interpreter may need to find its own libraries.
_KEPT = ("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH")
_ENVIRONMENT = {
    "HDF5_PLUGIN_PATH": "/dev/null",  # where HDF5 looks for drivers of files that it cannot open
    "HDF5_PLUGIN_PRELOAD": "::",  # no filters from elsewhere
    "HDF5_USE_FILE_LOCKING": "FALSE",
    "OPENBLAS_NUM_THREADS": "1",  # each thread takes address space, which is limited
    "PYTHONHASHSEED": "0",
}
#: Codes of what is beyond a limit; bombs that are no honest files have others.
_SIZES = frozenset({"QC126", "QC208", "QC513", "QC708", "QC801"})
#: Seconds in all for each of the processor's: others may take that away.
_PATIENCE = 4
#: Bytes besides arrays that a file of results may have.
_MARGIN = 256 << 20


class Reader:
    """One process, for one request; `started` makes it and ends it."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits) -> None:
        self._process = process
        self._limits = limits
        self._deadline = time.monotonic() + _PATIENCE * limits.reader_seconds
        self._said = b""
        self._without_memory = False
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def ask(self, request: Request) -> None:
        """Send the request and do not wait for the answer."""
        self._thread.start()
        try:
            stream = _pipe(self._process.stdin)
            stream.write(json.dumps(request).encode())
            stream.close()
        except BrokenPipeError:
            pass  # it is gone, which `answer` reports

    def answer(self) -> Answer:
        """Wait for the answer, and for the end of the process.

        `MalformedError` if it refuses the file or is crashed by it, or is too slow; `LimitError`
        if this process has no memory for the answer.
        """
        self._thread.join(self._seconds_left())
        if len(self._said) > _MAX_ANSWER:  # and it waits for somebody to read on
            raise MalformedError("QC108", "made the isolated reader answer without end")
        try:
            code = self._process.wait(self._seconds_left())
        except subprocess.TimeoutExpired:
            raise self._too_slow() from None
        if self._without_memory:
            raise LimitError("QC801", "out of memory for the isolated reader's answer")
        if code == -SIGXCPU:
            raise self._too_slow()
        if code < 0:
            raise MalformedError(
                "QC108", f"crashed the isolated reader ({_signal(-code)}); nothing else"
            )
        return self._checked(code)

    def _listen(self) -> None:
        try:
            self._said = _pipe(self._process.stdout).read(_MAX_ANSWER + 1)
        except MemoryError:  # in a thread, where nobody else would hear of it
            self._without_memory = True

    def _seconds_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _too_slow(self) -> BeyondLimitError:
        return BeyondLimitError(
            "QC109", f"was read for too many seconds: {self._limits.of('reader_seconds')}"
        )

    def _checked(self, code: int) -> Answer:
        try:
            limits = self._limits.with_values(
                {"config_bytes": _MAX_ANSWER, "json_depth": 8, "json_values": _MAX_ANSWER}
            )
            answer = parse_object(self._said, "the isolated reader's answer", limits)
        except MalformedError as error:
            raise MalformedError("QC108", f"{error} (exit code {code})") from None
        if "code" in answer:
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: Answer) -> WitnessError | MalformedError:
        code, message, limit = (str(answer.get(key)) for key in ("code", "message", "limit"))
        if code == "QC725":
            return WitnessError(code, message)
        if code == "QC602":
            return UnwrittenError(code, message)
        if limit in Limits.__dataclass_fields__:
            message = f"{message}: {self._limits.of(limit)}"
        return (BeyondLimitError if code in _SIZES else MalformedError)(code, message)


@contextmanager
def started(files: tuple[int, ...], limits: Limits) -> Iterator[Reader]:
    """A process that inherits the descriptors *files*, and is gone at the end."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        # Python takes a cache file that a limit or a full disk cut off for a whole one: without -B
        # such a file would stay.
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(READER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=files,
            env=environment | _ENVIRONMENT,
            cwd="/",
        )
    except OSError as error:
        raise LimitError("QC801", f"the isolated reader did not start: {error}") from None
    with process:
        try:
            yield Reader(process, limits)
        finally:
            process.kill()


def confined(limits: Limits, packages: Iterable[str] = _HDF5) -> dict[str, Json]:
    """What every request says: the limits of the process, and where its *packages* are."""
    most = limits.total_bytes + limits.file_bytes + _MARGIN
    return {
        "path": [*_folders(packages)],
        "confined": {
            "RLIMIT_AS": limits.reader_memory,
            "RLIMIT_CORE": 0,
            "RLIMIT_CPU": limits.reader_seconds,
            "RLIMIT_FSIZE": most,
        },
    }


def _folders(packages: Iterable[str]) -> dict[str, None]:
    """Where *packages* lie, of which none is imported for that."""
    found: dict[str, None] = {}
    for spec in filter(None, map(find_spec, packages)):
        within = spec.submodule_search_locations or filter(None, [spec.origin])
        found |= {str(Path(path).parent): None for path in within}
    return found


def _signal(number: int) -> str:
    """A signal by its number and its name; those for anybody's use have none."""
    return (
        f"signal {number}, {Signals(number).name}" if number in set(Signals) else f"signal {number}"
    )


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
