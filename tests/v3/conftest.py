"""The other interpreter, one worker in it, and models that it has built."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qconvert.runners.process import Answer, Worker
from tests.built_once import built_once

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
def v3_worker(v3_python: Path) -> Iterator[Ask]:
    """Asks one worker process, which takes one model after the other."""
    with Worker(v3_python, timeout=300.0) as started:
        yield lambda do, **paths: started.ask(do, {name: str(x) for name, x in paths.items()})


@pytest.fixture(scope="session")
def v3_models(v3_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, each as ``.h5`` and as ``.keras``."""

    def build(folder: Path) -> None:
        script = Path(__file__).with_name("build_models.py")
        command = [v3_python, script, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.count("adaptive.h5") == done.stdout.count(".h5:") == 1

    return built_once(tmp_path_factory, "v3-models", build)
