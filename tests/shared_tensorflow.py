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
    """A process that goes on with the next model, of the Keras that it has for the first."""

    def take(self, model: Path, weights: Path | None) -> None:
        """Begin to load another model."""
        self._model, self._weights = model, weights
        self.reload()

    @property
    def idle(self) -> bool:
        """Whether everything is answered, and it lives."""
        return self._sent == self._answered and self._process.poll() is None


class SharedTensorFlow:
    """Stands for `tensorflow_started`, with the process of before as long as that is well.

    The environment is that of the first model. Other interpreters are started as ever.
    """

    def __init__(self, python: Path | None = None) -> None:
        self._python = python
        self._runner: Kept | None = None

    @contextmanager
    def used(self) -> Iterator[None]:
        """All checks and explanations of this process use it."""
        with pytest.MonkeyPatch.context() as patch:
            for user in USERS:
                patch.setattr(f"{user}.tensorflow_started", self._started)
            yield

    def stop(self) -> None:
        """End the process; the next model gets another."""
        if self._runner is not None:
            self._runner.__exit__(None, None, None)
        self._runner = None

    @contextmanager
    def _started(
        self, model: Path, weights: Path | None = None, python: Path | None = None
    ) -> Iterator[TensorFlowRunner | str]:
        if python != self._python:
            with tensorflow_started(model, weights, python) as other:
                yield other
            return
        runner = self._loading(model, weights)
        try:
            yield runner
        finally:
            if not runner.idle:
                self.stop()

    def _loading(self, model: Path, weights: Path | None) -> Kept:
        if self._runner is None:
            self._runner = Kept(model, weights, python=self._python)
            self._runner.__enter__()
        else:
            self._runner.take(model, weights)
        return self._runner


@contextmanager
def one_tensorflow(python: Path | None = None) -> Iterator[None]:
    """One TensorFlow for all checks in this block."""
    shared = SharedTensorFlow(python)
    try:
        with shared.used():
            yield
    finally:
        shared.stop()


@pytest.fixture(scope="session")
def shared_process() -> Iterator[SharedTensorFlow]:
    shared = SharedTensorFlow()
    yield shared
    shared.stop()


@pytest.fixture(scope="module")
def shared_tensorflow(shared_process: SharedTensorFlow) -> Iterator[None]:
    """Checks of a module have one process, which took models of Keras 2 of others before."""
    with shared_process.used():
        yield
