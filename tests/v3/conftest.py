"""The other interpreter, one worker in it, and models that it has built."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qconvert.runners.process import Answer, Process
from qconvert.runners.tf import WORKER

ROOT = Path(__file__).parents[2]
Ask = Callable[..., Answer]


@pytest.fixture(scope="session")
def v3_python() -> Path:
    """The interpreter with qkeras-v3, which ``QCONVERT_V3_PYTHON`` may name."""
    python = Path(os.environ.get("QCONVERT_V3_PYTHON", ROOT / ".venv-v3/bin/python"))
    if not python.exists():
        pytest.skip("there is no .venv-v3 with qkeras-v3: scripts/test-v3 makes it")
    return python


@pytest.fixture(scope="session")
def v3_worker(v3_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks one worker process, which takes one model after the other."""
    log = tmp_path_factory.mktemp("worker") / "log"
    process = Process([str(v3_python), str(WORKER)], log, 300.0)

    def ask(do: str, **arguments: Path) -> Answer:
        process.send(do, {name: str(path) for name, path in arguments.items()})
        return process.receive()

    yield ask
    process.close(patience=10.0)


@pytest.fixture(scope="session")
def v3_models(v3_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, each as ``.h5`` and as ``.keras``."""
    folder = tmp_path_factory.mktemp("models")
    script = Path(__file__).with_name("build_models.py")
    done = subprocess.run([v3_python, script, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("adaptive.h5") == done.stdout.count(".h5:") == 1
    return folder
