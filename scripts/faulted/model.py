"""A model file of any size, which needs no TensorFlow to be written."""

import json
from pathlib import Path

import h5py
import numpy as np

_LAYERS = (
    {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 3]}},
    {"class_name": "QActivation", "config": {"name": "act", "activation": "quantized_relu(4)"}},
    {
        "class_name": "QDense",
        "config": {
            "name": "fc",
            "units": 2,
            "use_bias": False,
            "activation": "linear",
            "kernel_quantizer": "quantized_bits(4,0,1,alpha=1)",
        },
    },
)


def write_model(path: Path, units: int) -> Path:
    """``x -> act -> fc`` with so many results, seeded weights."""
    layers = json.loads(json.dumps(_LAYERS))
    layers[2]["config"]["units"] = units
    config = {"class_name": "Sequential", "config": {"name": "model", "layers": layers}}
    kernel = np.random.default_rng(0).integers(-7, 8, (3, units)).astype(np.float32) / 8
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.15.0"
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [b"act", b"fc"]
        weights.create_group("act").attrs["weight_names"] = np.array([], "S1")
        weights.create_group("fc").attrs["weight_names"] = [b"fc/kernel:0"]
        weights["fc"]["fc/kernel:0"] = kernel
    return path
