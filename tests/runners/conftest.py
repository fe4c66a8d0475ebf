import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from qconvert.runners.process import Answer, Worker
from tests.built_once import built_once

Ask = Callable[..., Answer]


@pytest.fixture(scope="session")
def worker() -> Iterator[Ask]:
    """Asks one worker process, which takes one model after the other."""
    with Worker(timeout=300.0) as started:
        yield lambda do, **paths: started.ask(do, {name: str(x) for name, x in paths.items()})


@pytest.fixture(scope="session")
def models(worker: Ask, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small Keras models, built while the worker starts."""

    def build(folder: Path) -> None:
        command = [sys.executable, str(Path(__file__).with_name("build_models.py")), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

    return built_once(tmp_path_factory, "tf-models", build)


@pytest.fixture
def load() -> Callable[[Path], dict[str, np.ndarray]]:
    def read(path: Path) -> dict[str, np.ndarray]:
        with np.load(path) as arrays:
            return dict(arrays)

    return read


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """Makes an executable from a Python program, to be taken for an interpreter."""

    def write(text: str) -> Path:
        path = tmp_path / "python"
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(0o755)
        return path

    return write
