from pathlib import Path

import pytest

from qconvert import api
from scripts.faulted.model import write_model


@pytest.fixture(scope="session")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model."""
    return write_model(tmp_path_factory.mktemp("model") / "model.h5", 2)


@pytest.fixture(scope="session")
def exported(keras: Path) -> Path:
    """Its ONNX file."""
    path = keras.with_suffix(".onnx")
    api.export(keras, path)
    return path
