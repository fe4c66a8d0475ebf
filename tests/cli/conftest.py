import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

Entry = Mapping[str, Any]
WriteModel = Callable[..., Path]


def quantizer(bits: int) -> Entry:
    config = {"bits": bits, "integer": 0, "symmetric": 0, "keep_negative": True, "alpha": 1.0}
    return {"class_name": "quantized_bits", "config": config}


def activation(name: str, function: str) -> Entry:
    return {"class_name": "QActivation", "config": {"name": name, "activation": function}}


def dense(name: str, units: int) -> Entry:
    config = {"name": name, "units": units, "use_bias": False, "kernel_quantizer": quantizer(4)}
    return {"class_name": "QDense", "config": config | {"activation": "linear"}}


#: ``x -> act -> fc``, which needs no TensorFlow to be written.
LAYERS = (
    {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 3]}},
    activation("act", "quantized_relu(4)"),
    dense("fc", 2),
)
KERNEL = np.array([[0.3, -0.3], [0.0, 0.9], [-0.7, 0.1]], np.float32)


@pytest.fixture
def write_model(tmp_path: Path) -> WriteModel:
    """Writes a Sequential model of some layers as Keras 2 does, with the kernel of ``fc``."""

    def write(name: str = "model.h5", layers: tuple[Entry, ...] = LAYERS) -> Path:
        config = {"class_name": "Sequential", "config": {"name": "model", "layers": layers}}
        with h5py.File(tmp_path / name, "w") as file:
            file.attrs["model_config"] = json.dumps(config)
            file.attrs["keras_version"] = "2.15.0"
            names = [layer["config"]["name"] for layer in layers[1:]]
            weights = file.create_group("model_weights")
            weights.attrs["layer_names"] = [n.encode() for n in names]
            for layer in names:
                group = weights.create_group(layer)
                has_kernel = layer == "fc"
                group.attrs["weight_names"] = [b"fc/kernel:0"] if has_kernel else np.array([], "S1")
                if has_kernel:
                    group["fc/kernel:0"] = KERNEL
        return tmp_path / name

    return write
