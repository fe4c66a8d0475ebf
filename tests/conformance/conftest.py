"""TensorFlow as one fixture, set up as the ground truth runs it."""

import warnings
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import pytest

ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_USE_LEGACY_KERAS": "1",
}


@pytest.fixture(scope="module")
def tf(tensorflow: ModuleType) -> Iterator[ModuleType]:
    """TensorFlow that builds models without translating each layer's code first.

    Only the shapes of a layer's results are asked for then, and what it computes of numbers is not
    translated anyway.
    """
    context = import_module("tensorflow.python.autograph.core.ag_ctx")
    with context.ControlStatusCtx(context.Status.DISABLED):
        yield tensorflow


@pytest.fixture(scope="session")
def tensorflow() -> ModuleType:
    """TensorFlow with oneDNN, Keras 2 and no warnings of its own while it is imported."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        tensorflow = pytest.importorskip("tensorflow")
        assert tensorflow.keras.Model.__module__.startswith("tf_keras")
        # The first op reads the switch of oneDNN, once and for all.
        tensorflow.zeros(1).numpy()
    return tensorflow  # type: ignore[no-any-return]
