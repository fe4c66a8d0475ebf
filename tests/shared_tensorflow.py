"""One TensorFlow process for many checks, which load their models in it one after the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from qconvert.checking import tensorflow_started
from qconvert.runners.tf import TensorFlowRunner

#: Where checks and explanations start TensorFlow.
USERS: Final = ("qconvert.api.checking", "qconvert.asking")


class Kept(TensorFlowRunner):
    """A process that goes on with the next model. All of them are Keras 2's: it holds no other."""

    def take(self, model: Path, weights: Path | None) -> None:
        """Begin to load another model."""
        self._model, self._weights = model, weights
        self.reload()

    @property
    def idle(self) -> bool:
        """Whether everything is answered, and it lives."""
        return self._sent == self._answered and self._process.poll() is None


class SharedTensorFlow:
    """Starts TensorFlow as `tensorflow_started` does, in the process of before if that is idle."""

    def __init__(self) -> None:
        self._runner: Kept | None = None

    @contextmanager
    def started(
        self, model: Path, weights: Path | None = None, python: Path | None = None
    ) -> Iterator[TensorFlowRunner | str]:
        """What stands for `tensorflow_started`; another interpreter is started as ever."""
        if python is not None:
            with tensorflow_started(model, weights, python) as other:
                yield other
            return
        runner = self._loading(model, weights)
        try:
            yield runner
        finally:
            if not runner.idle:
                self.stop()

    def stop(self) -> None:
        """End the process; the next model gets another."""
        if self._runner is not None:
            self._runner.__exit__(None, None, None)
        self._runner = None

    def _loading(self, model: Path, weights: Path | None) -> Kept:
        if self._runner is None:
            self._runner = Kept(model, weights)
            self._runner.__enter__()
        else:
            self._runner.take(model, weights)
        return self._runner


@pytest.fixture(scope="session")
def shared_process() -> Iterator[SharedTensorFlow]:
    shared = SharedTensorFlow()
    yield shared
    shared.stop()


@pytest.fixture(scope="module")
def shared_tensorflow(shared_process: SharedTensorFlow) -> Iterator[None]:
    """Checks and explanations of a module's models have one process, which took others before."""
    with pytest.MonkeyPatch.context() as patch:
        for user in USERS:
            patch.setattr(f"{user}.tensorflow_started", shared_process.started)
        yield
