import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest

from qconvert.modelfile import Json

WriteModel = Callable[..., Path]

#: One dense layer; the file that `write_model` writes has its kernel.
DENSE: dict[str, Json] = {
    "class_name": "Sequential",
    "config": {
        "name": "model",
        "layers": [{"class_name": "Dense", "config": {"name": "d", "kernel_initializer": None}}],
    },
}
KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that `saved_models.py` lets tf_keras write."""
    folder = tmp_path_factory.mktemp("saved_models")
    script = Path(__file__).with_name("saved_models.py")
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(
        [sys.executable, script, folder], check=True, capture_output=True, env=environment
    )
    return folder


@pytest.fixture
def write_model(tmp_path: Path) -> WriteModel:
    """Write an HDF5 model as Keras does, with any configuration and any weights."""

    def write(
        config: object = DENSE,
        weights: Mapping[str, Mapping[str, object]] | None = None,
        name: str = "model.h5",
    ) -> Path:
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            if config is not None:
                text = config if isinstance(config, str | bytes) else json.dumps(config)
                file.attrs["model_config"] = text
            _write_layers(
                file.create_group("model_weights"),
                {"d": {"d/kernel:0": KERNEL}} if weights is None else weights,
            )
        return path

    return write


def _write_layers(group: h5py.Group, layers: Mapping[str, Mapping[str, object]]) -> None:
    group.attrs["layer_names"] = [name.encode() for name in layers]
    for name, weights in layers.items():
        layer = group.create_group(name)
        layer.attrs["weight_names"] = [weight.encode() for weight in weights]
        for weight, value in weights.items():
            layer[weight] = value
