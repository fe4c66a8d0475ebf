"""ONNX Runtime in a process of its own, which a file may crash, fill or keep busy.

Whatever becomes of it is a `WitnessError` here, so that no file takes this process down and none
passes by it. One process has the sessions of all files, since loading ONNX Runtime takes about
as long as checking a small model; after its end the next session gets a new one.
"""

import atexit
import math
import os
import threading
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.errors import LimitError, OutputError, WitnessError
from qconvert.modelfile import DEFAULT_LIMITS, Limits
from qconvert.runners.process import Answer, Json, Worker, limit, words_of

Array: TypeAlias = npt.NDArray[Any]

_SCRIPT: Final = Path(__file__).with_name("ort_worker")
#: The environment's names for the limits, which are MiB and seconds.
MEMORY, SECONDS = "QCONVERT_ORT_MEMORY", "QCONVERT_ORT_SECONDS"
_MEMORY: Final = 8192
#: Of the machine's memory it gets one part of so many, if that is less.
_SHARE: Final = 2
_SECONDS: Final = 600
#: What arrays of numbers can be.
_KINDS: Final = frozenset("biuf")
_ALIGNMENT: Final = 64


@dataclass(frozen=True, slots=True)
class OrtLimits:
    """Bytes that ONNX Runtime may allocate, and seconds that it may take for an answer."""

    memory: int
    seconds: int

    @classmethod
    def from_environment(cls) -> "OrtLimits":
        """Those that the user has set, or else the usual ones; `UsageError` for no number."""
        usual = min(_MEMORY, _machine_memory() // _SHARE >> 20)
        return cls(limit(MEMORY, usual) << 20, limit(SECONDS, _SECONDS))

    def __str__(self) -> str:
        return (
            f"it may allocate {self.memory >> 20} MiB ({MEMORY}) and take {self.seconds} s "
            f"({SECONDS})"
        )


class OrtProcess(Worker):
    """A context of ONNX Runtime's process; `session` gives it a file.

    Any number of threads may use it.
    """

    name = "ONNX Runtime's process"

    def __init__(self, limits: OrtLimits) -> None:
        super().__init__(timeout=limits.seconds)
        self.limits = limits
        self._lock = threading.Lock()
        self._last_session = 0
        self._last_file = 0
        #: Numbers of sessions that nobody has any more; the next request tells of them.
        self._dropped: deque[int] = deque()

    @property
    def ended(self) -> bool:
        """Whether it can take no more sessions."""
        return self._process.poll() is not None

    @property
    def version(self) -> str:
        """ONNX Runtime's; `WitnessError` if it is not installed."""
        return str(self.asked("version").get("version"))

    def session(
        self, model: onnx.ModelProto | Path, *, optimized: bool, saved: Path | None = None
    ) -> "Session":
        """A session with default options; *saved* takes the graph after optimization.

        `WitnessError` if the file is refused, `OutputError` if *saved* cannot be written.
        """
        path = model.resolve() if isinstance(model, Path) else self.file()
        if isinstance(model, onnx.ModelProto):
            path.write_bytes(model.SerializeToString())
        with self._lock:
            self._last_session += 1
            number = self._last_session
        to = None if saved is None else str(saved)
        try:
            answer = self.asked(
                "load", session=number, model=str(path), optimized=optimized, saved=to
            )
        finally:
            if isinstance(model, onnx.ModelProto):
                path.unlink(missing_ok=True)
        if "refused" in answer:
            reason = words_of(answer["refused"])
            if saved is not None:
                # Its words are the same for both; if it is the file, this raises.
                self.session(model, optimized=optimized)
                raise OutputError("QC602", saved, f"ONNX Runtime could not write it: {reason}")
            raise WitnessError("QC726", f"ONNX Runtime does not load the file: {reason}")
        return Session(self, number, answer)

    def asked(self, do: str, **arguments: Json) -> Answer:
        """The answer to a request; after anything else the process is ended."""
        with self._lock:
            dropped: list[Json] = [self._dropped.popleft() for _ in range(len(self._dropped))]
            try:
                return self.ask(do, {"dropped": dropped, **arguments})
            except BaseException:
                # Also after an interrupt, which leaves an answer on its way.
                self._kill()
                raise

    def file(self) -> Path:
        """A new name in the folder."""
        with self._lock:
            self._last_file += 1
            return self.folder / str(self._last_file)

    def drop(self, number: int) -> None:
        """Nobody has this session any more; asks nothing, for it may be called at any moment."""
        self._dropped.append(number)

    def _command(self) -> list[str]:
        limits = [str(self.limits.memory), str(self.limits.seconds)]
        # -P: nothing beside the script is imported.
        return [self._python, "-P", str(_SCRIPT), str(self.folder), *limits]

    def _explained(self, what: str) -> str:
        return f"{what}; {self.limits}"


class Session:
    """A file that ONNX Runtime has loaded; ``inputs`` are types, as ``tensor(int8)``, by name."""

    def __init__(self, process: OrtProcess, number: int, answer: Answer) -> None:
        match answer:
            case {"inputs": dict(inputs), "outputs": list(outputs)}:
                self.inputs = {name: str(kind) for name, kind in inputs.items()}
                self.outputs = tuple(str(name) for name in outputs)
            case _:
                raise WitnessError("QC723", f"{process.name} described no file: {sorted(answer)}")
        self._process = process
        self._number = number
        weakref.finalize(self, process.drop, number)

    def run(self, arrays: Mapping[str, Array], limits: Limits = DEFAULT_LIMITS) -> dict[str, Array]:
        """All outputs by name; what is no array of numbers is an empty one of objects.

        `LimitError` if one takes more bytes than a tensor may, which the process does not send.
        """
        process = self._process
        inputs, outputs = process.file(), process.file()
        try:
            described = _written(arrays, inputs)
            answer = process.asked(
                "run",
                session=self._number,
                arrays=described,
                inputs=str(inputs),
                outputs=str(outputs),
                most=limits.tensor_bytes,
            )
            if "refused" in answer:
                reason = words_of(answer["refused"])
                raise WitnessError("QC727", f"ONNX Runtime failed: {reason}")
            if "large" in answer:
                raise _too_large(words_of(answer["large"]), limits)
            return _read(answer, outputs, self.outputs, limits)
        finally:
            for path in (inputs, outputs):
                path.unlink(missing_ok=True)


def _machine_memory() -> int:
    """Bytes of memory of the machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def ort_process() -> OrtProcess:
    """The process that is running for this one, or a new one."""
    return _holder(os.getpid()).process()


class _Holder:
    def __init__(self) -> None:
        self._process: OrtProcess | None = None
        self._lock = threading.Lock()

    def process(self) -> OrtProcess:
        limits = OrtLimits.from_environment()
        with self._lock:
            found = self._process
            if found is None or found.ended or found.limits != limits:
                # Sessions of the old one, if any, keep it until they are gone.
                found = self._process = OrtProcess(limits)
                found.__enter__()
                atexit.register(_close, found, os.getpid())
        return found


def _close(process: OrtProcess, parent: int) -> None:
    """End it with its *parent*, not with one that was forked from that."""
    if os.getpid() == parent:
        process.__exit__(None, None, None)


@cache
def _holder(process: int) -> _Holder:
    """By process: one that was forked has none yet."""
    return _Holder()


def _written(arrays: Mapping[str, Array], path: Path) -> list[Json]:
    described: list[Json] = []
    with path.open("wb") as file:
        for name, array in arrays.items():
            described.append([name, array.dtype.str, list(array.shape)])
            file.seek(_aligned(file.tell()))
            file.write(np.ascontiguousarray(array).data)
    return described


def _too_large(what: str, limits: Limits) -> LimitError:
    return LimitError("QC320", f"{OrtProcess.name}: {what}: {limits.of('tensor_bytes')}")


def _read(answer: Answer, path: Path, names: tuple[str, ...], limits: Limits) -> dict[str, Array]:
    """The arrays that the process says it wrote; what it says is not believed."""
    described = answer.get("arrays")
    arrays: dict[str, Array] = {}
    try:
        size, most = path.stat().st_size, len(names) * _aligned(limits.tensor_bytes)
        if size > most:
            raise _too_large(f"{len(names)} outputs of {size:,} bytes", limits)
        data, start = np.fromfile(path, np.uint8), 0
        for each in described if isinstance(described, list) else ():
            name, array = _array(data[start:], each)
            arrays[name] = array
            start = _aligned(start + array.nbytes)
    except (OSError, TypeError, ValueError) as error:
        raise WitnessError("QC723", f"{OrtProcess.name} wrote no results: {error}") from error
    if tuple(arrays) != names:
        raise WitnessError("QC723", f"{OrtProcess.name} wrote {list(arrays)}, not {names}")
    return arrays


def _array(data: npt.NDArray[np.uint8], described: Json) -> tuple[str, Array]:
    """What stands first in *data*; `TypeError` or `ValueError` if that is not as *described*."""
    match described:
        case [str(name), None, _]:
            return name, np.empty(0, object)
        case [str(name), str(kind), list(shape)] if all(type(n) is int and n >= 0 for n in shape):
            dtype, sizes = np.dtype(kind), [int(str(n)) for n in shape]
            if dtype.kind in _KINDS:
                return name, data[: math.prod(sizes) * dtype.itemsize].view(dtype).reshape(sizes)
    raise ValueError(f"it described an array as {described}")


def _aligned(start: int) -> int:
    """Where the next array begins in a file."""
    return -(-start // _ALIGNMENT) * _ALIGNMENT
