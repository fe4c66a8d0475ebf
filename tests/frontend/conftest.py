"""Small hand-written models, without any Keras."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from qconvert.ir import F32
from qconvert.modelfile import ModelFile, StoredWeight

Entry = dict[str, Any]
Arrays = Mapping[str, npt.NDArray[Any]] | Sequence[npt.NDArray[Any]]


class Sketch:
    """Writes configurations as Keras 2 does."""

    def entry(self, class_name: str, name: str, *calls: Any, **config: Any) -> Entry:
        """A layer; each call is the name of the layer before it, names, or a raw node."""
        return {
            "class_name": class_name,
            "name": name,
            "config": {"name": name, "trainable": True, "dtype": "float32", **config},
            "inbound_nodes": [_node(call) for call in calls],
        }

    def source(self, name: str, *shape: int | None) -> Entry:
        return self.entry("InputLayer", name, batch_input_shape=[None, *shape], sparse=False)

    def dense(self, name: str, *calls: Any, **config: Any) -> Entry:
        options = {"units": 2, "use_bias": True, "activation": "linear", **config}
        return self.entry("Dense", name, *calls, **options)

    def conv2d(self, name: str, *calls: Any, class_name: str = "Conv2D", **config: Any) -> Entry:
        options = {
            "filters": 2,
            "kernel_size": [3, 3],
            "strides": [1, 1],
            "padding": "valid",
            "data_format": "channels_last",
            "dilation_rate": [1, 1],
            "groups": 1,
            "activation": "linear",
            "use_bias": False,
            **config,
        }
        return self.entry(class_name, name, *calls, **options)

    def functional(
        self, layers: Sequence[Entry], inputs: Sequence[Any], outputs: Sequence[Any]
    ) -> Entry:
        config = {
            "name": "model",
            "layers": list(layers),
            "input_layers": [_ref(one) for one in inputs],
            "output_layers": [_ref(one) for one in outputs],
        }
        return {"class_name": "Functional", "config": config}

    def sequential(self, *layers: Entry) -> Entry:
        listed = [{k: v for k, v in layer.items() if k != "inbound_nodes"} for layer in layers]
        return {"class_name": "Sequential", "config": {"name": "model", "layers": listed}}

    def nested(self, model: Entry, name: str, *calls: Any) -> Entry:
        config = {**model["config"], "name": name}
        nodes = [_node(call) for call in calls]
        return {**model, "config": config, "name": name, "inbound_nodes": nodes}

    def file(self, config: Entry, weights: Mapping[str, Arrays] | None = None) -> ModelFile:
        """Weights by name (a mapping) or by position (a sequence)."""
        stored = {path: _stored(path, arrays) for path, arrays in (weights or {}).items()}
        return ModelFile(Path("model.h5"), None, "0" * 64, "2.11.0", config, stored)

    def ramp(self, *shape: int) -> F32:
        size = int(np.prod(shape))
        return (np.arange(size) / 8 - 1).reshape(shape).astype(np.float32)


def _node(call: Any) -> Any:
    if isinstance(call, str):
        return [[call, 0, 0, {}]]
    if isinstance(call, tuple):
        return [[name, 0, 0, {}] for name in call]
    return call


def _ref(one: Any) -> Any:
    return [one, 0, 0] if isinstance(one, str) else one


def _stored(path: str, arrays: Arrays) -> tuple[StoredWeight, ...]:
    if isinstance(arrays, Mapping):
        return tuple(StoredWeight(f"{path}/{name}:0", value) for name, value in arrays.items())
    return tuple(StoredWeight("", value) for value in arrays)


@pytest.fixture
def sketch() -> Sketch:
    return Sketch()
