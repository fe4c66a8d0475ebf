"""A small model as HDF5 and as archive, which bad files are made of by one change."""

import io
import json
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.hostile.case import Make

Config = dict[str, Any]
Change = Callable[[Config], object]

KERNEL = np.arange(8, dtype=np.float32).reshape(4, 2) / 8
BIAS = np.array([0.5, -0.5], np.float32)
#: Where `hdf5` writes the kernel.
KERNEL_PATH = "model_weights/d/d/kernel:0"
WEIGHTS: Mapping[str, Mapping[str, Any]] = {
    "x": {},
    "d": {"d/kernel:0": KERNEL, "d/bias:0": BIAS},
    "a": {},
}

_MODEL: Config = {
    "class_name": "Functional",
    "config": {
        "name": "m",
        "layers": [
            {
                "class_name": "InputLayer",
                "config": {"name": "x", "batch_input_shape": [None, 4], "dtype": "float32"},
                "name": "x",
                "inbound_nodes": [],
            },
            {
                "class_name": "QDense",
                "config": {
                    "name": "d",
                    "trainable": True,
                    "dtype": "float32",
                    "units": 2,
                    "activation": "linear",
                    "use_bias": True,
                    "kernel_initializer": None,
                    "bias_initializer": None,
                    "kernel_quantizer": "quantized_bits(4,0,alpha=1)",
                    "bias_quantizer": None,
                },
                "name": "d",
                "inbound_nodes": [[["x", 0, 0, {}]]],
            },
            {
                "class_name": "QActivation",
                "config": {"name": "a", "activation": "quantized_relu(4,0)"},
                "name": "a",
                "inbound_nodes": [[["d", 0, 0, {}]]],
            },
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["a", 0, 0]],
    },
}


def model(change: Change = lambda _: None) -> Config:
    """The architecture, changed."""
    config = deepcopy(_MODEL)
    change(config)
    return config


def layers(config: Config) -> list[Config]:
    """The layers of an architecture: x, d, a."""
    return list(config["config"]["layers"])


def option(key: str, value: object, layer: int = 1) -> Change:
    """Set an option of a layer."""
    return lambda config: layers(config)[layer]["config"].__setitem__(key, value)


def entry(key: str, value: object, layer: int = 1) -> Change:
    """Set what is said of a layer beside its options."""
    return lambda config: layers(config)[layer].__setitem__(key, value)


def renamed(name: str, config: Config) -> None:
    """Call the dense layer by another name, wherever it is named."""
    layer = layers(config)[1]
    layer["name"] = layer["config"]["name"] = name
    layers(config)[2]["inbound_nodes"] = [[[name, 0, 0, {}]]]


def hdf5(
    config: object = None,
    weights: Mapping[str, Mapping[str, Any]] = WEIGHTS,
    change: Callable[[h5py.File], object] = lambda _: None,
    name: str = "model.h5",
) -> Make:
    """A whole model; *config* may be an architecture or any text."""

    def make(folder: Path) -> Path:
        chosen = model() if config is None else config
        with h5py.File(folder / name, "w") as file:
            text = chosen if isinstance(chosen, str | bytes) else json.dumps(chosen)
            file.attrs["model_config"] = text
            file.attrs["keras_version"] = "2.11.0"
            write_layers(file.create_group("model_weights"), weights)
            change(file)
        return folder / name

    return make


def write_layers(group: h5py.Group, listed: Mapping[str, Mapping[str, Any]]) -> None:
    """Variables as Keras writes them."""
    group.attrs["layer_names"] = [name.encode() for name in listed]
    for name, variables in listed.items():
        layer = group.require_group(name)
        layer.attrs["weight_names"] = [variable.encode() for variable in variables]
        for variable, value in variables.items():
            layer[variable] = value


def with_kernel(value: object) -> Make:
    """A model with another kernel."""
    return hdf5(weights={**WEIGHTS, "d": {"d/kernel:0": value, "d/bias:0": BIAS}})


def instead_of_kernel(put: Callable[[h5py.File], object], place: str = KERNEL_PATH) -> Make:
    """A model where something else lies in place of the kernel, or of a group above it."""

    def change(file: h5py.File) -> None:
        del file[place]
        put(file)

    return hdf5(change=change)


def parts(config: object = None) -> dict[str, bytes]:
    """The entries of an archive."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["layers/q_dense/vars/0"] = KERNEL
        file["layers/q_dense/vars/1"] = BIAS
        file.create_group("vars")
    chosen = model() if config is None else config
    return {
        "config.json": chosen if isinstance(chosen, bytes) else json.dumps(chosen).encode(),
        "metadata.json": b'{"keras_version": "2.14.0"}',
        "model.weights.h5": stream.getvalue(),
    }


def archive(
    entries: Sequence[tuple[str | zipfile.ZipInfo, bytes]] | None = None,
    spoil: Callable[[bytearray], object] = lambda _: None,
    packing: int = zipfile.ZIP_DEFLATED,
    name: str = "model.keras",
) -> Make:
    """An archive of any *entries*, whose bytes are spoiled."""

    def make(folder: Path) -> Path:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", packing) as file:
            for info, content in parts().items() if entries is None else entries:
                file.writestr(info, content)
        spoiled = bytearray(stream.getvalue())
        spoil(spoiled)
        (folder / name).write_bytes(spoiled)
        return folder / name

    return make


def field(
    signature: bytes, at: int, form: str, value: int, number: int = 0
) -> Callable[[bytearray], None]:
    """Overwrite a field *at* so many bytes behind the *number*-th signature of its kind."""

    def spoil(content: bytearray) -> None:
        start = -1
        for _ in range(number + 1):
            start = content.index(signature, start + 1)
        struct.pack_into(form, content, start + at, value)

    return spoil
