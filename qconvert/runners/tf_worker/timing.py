"""What one program costs in this process: start-up, time a call, memory."""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from .programs import CONVERTED, in_onnx_runtime, prepare, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from .aliases import Array, Config, Json
    from .programs import Program

#: Sessions of ONNX Runtime start so fast that one start says little.
STARTS = 5
PROFILED_CALLS = 10


class Timer:
    """The program of this process; there is none before `start`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program: Program | None = None
        self._inputs: dict[str, dict[str, Array]] = {}

    def start(self, request: Json) -> Config:
        """Start the program; the seconds that it took, of TensorFlow's with those of imports.

        And the size of the file that it converted the model to, if it does.
        """
        prepare(request["threads"])
        converted = self._folder / CONVERTED
        converted.unlink(missing_ok=True)
        spent, starts = [], 1
        if request["kind"] == "onnxruntime":
            import onnxruntime  # noqa: F401

            starts = STARTS
        for _ in range(starts):
            # One at a time, for the sake of memory.
            self._program = None
            begin = time.perf_counter()
            self._program = start(request, self._folder)
            spent.append(time.perf_counter() - begin)
        size = {"bytes": converted.stat().st_size} if converted.exists() else {}
        return {"seconds": statistics.median(spent), **size}

    def results(self, request: Json) -> list[Array]:
        """The outputs of one call."""
        return self._call(request)()

    def time(self, request: Json) -> Config:
        """The fastest of calls for so many seconds, and one before them that counts for nothing.

        Not the median: where other programs take the processor, calls that are longer than their
        share of it are all held up, and shorter ones are not, which is no ratio of programs.
        """
        call = self._call(request)
        call()
        fastest = math.inf
        end = time.perf_counter() + request["seconds"]
        while not math.isfinite(fastest) or time.perf_counter() < end:
            begin = time.perf_counter()
            call()
            fastest = min(fastest, time.perf_counter() - begin)
        return {"seconds": fastest}

    def profile(self, request: Json) -> Config:
        """The seconds a call that each operator of an ONNX file takes, as ``[name, type, s]``."""
        prefix = self._folder / "profile"
        program = in_onnx_runtime(Path(request["file"]), request["threads"], prefix)
        arrays = self._arrays(request["inputs"])
        for _ in range(PROFILED_CALLS):
            program(arrays)
        del program  # which writes the file
        (written,) = self._folder.glob("profile*.json")
        events = json.loads(written.read_text(encoding="utf-8"))
        written.unlink()
        return {"operators": operators(events)}

    def _call(self, request: Json) -> Callable[[], list[Array]]:
        program = self._program
        if program is None:
            raise ValueError("no program was started")
        arrays = self._arrays(request["inputs"])
        return lambda: program(arrays)

    def _arrays(self, path: str) -> dict[str, Array]:
        import numpy as np

        if path not in self._inputs:
            with np.load(path, allow_pickle=False) as arrays:
                self._inputs[path] = dict(arrays)
        return self._inputs[path]


def operators(events: Json) -> list[list[Json]]:
    """The least of each operator's times, in the order in which they run first."""
    spent: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["name"].removesuffix("_kernel_time")
            spent[name, event["args"]["op_name"]].append(event["dur"] / 1e6)
    return [[name, kind, min(each)] for (name, kind), each in spent.items()]


def peak() -> Config:
    """The largest resident memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage, which counts what the process was before it was this program.
        lines = status.read_text(encoding="ascii").splitlines()
        (line,) = (line for line in lines if line.startswith("VmHWM"))
        return {"bytes": int(line.split()[1]) * 1024}
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"bytes": largest if sys.platform == "darwin" else largest * 1024}
