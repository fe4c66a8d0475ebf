"""ONNX Runtime in the process of a check, which has one mutant and ends with it.

In a process of its own, as in `qconvert check`, it takes longer to start than a small model to be
checked. Its program is the one in the package, which may be the mutant.
"""

import atexit
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

from qconvert.errors import WitnessError
from qconvert.runners import ort
from qconvert.runners.ort_process import OrtLimits, OrtProcess
from qconvert.runners.ort_worker.__main__ import Worker
from qconvert.runners.process import Answer, Json


class _Here(OrtProcess):
    """Answers as the process does, and fails as it does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(OrtLimits.from_environment())
        self.folder = folder
        self._worker = Worker(self.limits.seconds)

    def ask(self, do: str, arguments: Mapping[str, Json]) -> Answer:
        try:
            # It leaves files where it is.
            with chdir(self.folder):
                return self._worker.answer({"do": do, **arguments})
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise WitnessError("QC724", f"{self.name} failed: {reason}") from error

    def _kill(self) -> None:
        """Not this one."""


def run_here() -> None:
    """From now on, files are run in this process."""
    folder = TemporaryDirectory(prefix="runtime-")
    atexit.register(folder.cleanup)
    here = _Here(Path(folder.name))
    vars(ort)["ort_process"] = lambda: here
