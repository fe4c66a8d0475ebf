"""Runs ONNX files within limits: a JSON request a line, a JSON answer a line; arrays in files.

    FOLDER MEMORY SECONDS

FOLDER is for the files, and is removed at the end; MEMORY are bytes that the process may allocate,
SECONDS tell how long a request may compute. A file of arrays holds the bytes of each from a
multiple of 64 on; the line tells name, type and shape.
"""

import json
import math
import os
import shutil
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TextIO, TypeAlias

# A folder that is started is no package; now it is.
if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    __package__ = "ort_worker"

Answer: TypeAlias = dict[str, Any]

_ERRORS_ONLY: Final = 3
_OPEN_FILES: Final = 256
_ALIGNMENT: Final = 64
#: Else ONNX Runtime keeps records of its runs below the user's home, and sends them.
_DEFAULTS: Final = {"ORT_DISABLE_TELEMETRY": "1"}


class Worker:
    """The sessions, by the numbers that the parent gives them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sessions: dict[int, Any] = {}

    def answer(self, request: dict[str, Any]) -> Answer:
        """Do what is asked for; of a file that is refused this is said."""
        for number in request["dropped"]:
            self._sessions.pop(number, None)
        _limit_time(self._seconds)
        match request["do"]:
            case "version":
                import onnxruntime

                return {"version": onnxruntime.__version__}
            case "load":
                return self._load(request)
            case "run":
                return self._run(request)
            case other:
                raise ValueError(f"unknown request {other!r}")

    def _load(self, request: dict[str, Any]) -> Answer:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        # Threads that spin between operators and runs take the processor from the other witnesses.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not request["optimized"]:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        if request["saved"] is not None:
            options.optimized_model_filepath = request["saved"]
        try:
            data = Path(request["model"]).read_bytes()
            if not request["optimized"]:
                from .prepared import prepared

                data = prepared(data, Path.cwd())
            session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            return {"refused": str(error)}
        self._sessions[request["session"]] = session
        return {
            "inputs": {each.name: each.type for each in session.get_inputs()},
            "outputs": [each.name for each in session.get_outputs()],
        }

    def _run(self, request: dict[str, Any]) -> Answer:
        session = self._sessions[request["session"]]
        names = [each.name for each in session.get_outputs()]
        try:
            results = session.run(names, _read(request["arrays"], Path(request["inputs"])))
        except Exception as error:
            return {"refused": str(error)}
        arrays = dict(zip(names, results, strict=True))
        for name, value in arrays.items():
            if _is_numbers(value) and value.nbytes > request["most"]:
                return {"large": f"the output {name!r} takes {value.nbytes:,} bytes"}
        return {"arrays": _written(arrays, request["outputs"])}


def _read(described: Iterable[tuple[str, str, list[int]]], path: Path) -> dict[str, Any]:
    import numpy as np

    data, start, arrays = path.read_bytes(), 0, {}
    for name, kind, shape in described:
        count = math.prod(shape)
        arrays[name] = np.frombuffer(data, kind, count, start).reshape(shape)
        start = _aligned(start + arrays[name].nbytes)
    return arrays


def _written(arrays: dict[str, Any], path: str) -> list[tuple[str, str | None, list[int]]]:
    """What was written; no type of what is not an array of numbers."""
    import numpy as np

    described: list[tuple[str, str | None, list[int]]] = []
    with Path(path).open("wb") as file:
        for name, value in arrays.items():
            if not _is_numbers(value):
                described.append((name, None, []))
                continue
            described.append((name, value.dtype.str, list(value.shape)))
            file.seek(_aligned(file.tell()))
            file.write(np.ascontiguousarray(value).data)
    return described


def _is_numbers(value: object) -> bool:
    import numpy as np

    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"


def _aligned(start: int) -> int:
    return -(-start // _ALIGNMENT) * _ALIGNMENT


def _limit(memory: int) -> None:
    """Limits for good, where the system has them."""
    try:
        import resource
    except ImportError:
        return
    limits = {
        # Not the address space: of that each thread takes a lot and uses little.
        resource.RLIMIT_DATA: memory,
        resource.RLIMIT_FSIZE: memory,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
    }
    for which, wanted in limits.items():
        _, hard = resource.getrlimit(which)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(which, (most, most))


def _limit_time(seconds: float) -> None:
    """For a parent that is gone; one that is there does not wait for longer."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed = used.ru_utime + used.ru_stime + seconds * (os.cpu_count() or 1)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(allowed) + 1, hard))


def _failure(error: BaseException) -> Answer:
    return {"error": str(error) or type(error).__name__, "type": type(error).__name__}


def serve(worker: Worker, requests: Iterable[str], replies: TextIO) -> None:
    """Answer requests until there are no more."""
    for line in requests:
        request = json.loads(line)
        try:
            answer = worker.answer(request)
        except Exception as error:
            answer = _failure(error)
        print(json.dumps({"id": request["id"], **answer}), file=replies, flush=True)


def main(folder: str, memory: str, seconds: str) -> None:
    """Keep standard output for answers, and serve."""
    # Whether to end is the parent's decision, which an interrupt reaches, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.environ.update({**_DEFAULTS, **os.environ})
    _limit(int(memory))
    os.chdir(folder)
    try:
        serve(Worker(float(seconds)), sys.stdin, replies)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
