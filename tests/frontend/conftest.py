"""Small hand-written models, without any Keras."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qconvert.modelfile import ModelFile, StoredWeight

Entry = dict[str, Any]


def entry(class_name: str, name: str, calls: Sequence[Any] = (), **config: Any) -> Entry:
    """A layer of a Functional model; *calls* are the names of the layers before it."""
    nodes = [
        [[ref, 0, 0, {}] for ref in (call if isinstance(call, tuple) else (call,))]
        if not isinstance(call, list)
        else call
        for call in calls
    ]
    return {
        "class_name": class_name,
        "name": name,
        "config": {"name": name, "trainable": True, "dtype": "float32", **config},
        "inbound_nodes": nodes,
    }


def source(name: str, *shape: int | None) -> Entry:
    return entry(
        "InputLayer", name, batch_input_shape=[None, *shape], sparse=False, ragged=False
    )


def functional(
    layers: Sequence[Entry], inputs: Sequence[Any], outputs: Sequence[Any], name: str = "model"
) -> Entry:
    def refs(names: Sequence[Any]) -> list[Any]:
        return [[one, 0, 0] if isinstance(one, str) else one for one in names]

    config = {
        "name": name,
        "layers": list(layers),
        "input_layers": refs(inputs),
        "output_layers": refs(outputs),
    }
    return {"class_name": "Functional", "config": config}


def model_file(
    config: Entry, weights: Mapping[str, Mapping[str, np.ndarray] | Sequence[np.ndarray]] = {}
) -> ModelFile:
    """Weights by name (a mapping) or by position (a sequence)."""
    stored = {}
    for path, arrays in weights.items():
        if isinstance(arrays, Mapping):
            stored[path] = tuple(StoredWeight(f"{path}/{k}:0", v) for k, v in arrays.items())
        else:
            stored[path] = tuple(StoredWeight("", v) for v in arrays)
    return ModelFile(Path("model.h5"), None, "0" * 64, "2.11.0", config, stored)


def ramp(*shape: int) -> np.ndarray:
    size = int(np.prod(shape))
    return (np.arange(size, dtype=np.float32) / 8 - 1).reshape(shape)
