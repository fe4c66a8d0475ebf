"""One stock layer as an ONNX file, by tf2onnx."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from .legacy import LEGACY
from .safety import refuse_code

if TYPE_CHECKING:
    from .aliases import Config, Json, Layer


#: The oldest opset that qconvert exports to, from which ONNX's own converter goes on.
FRAGMENT_OPSET = 13


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """Why a layer is not converted."""


def opaque(request: Json) -> Config:
    """Convert one stock layer with its weights, at inference, and write it to a file."""
    os.environ.update(LEGACY)
    import numpy as np
    import tf_keras

    with np.load(request["weights"], allow_pickle=False) as arrays:
        weights = [arrays[str(i)] for i in range(len(arrays.files))]
    try:
        layer = stock_layer(request["class_name"], request["config"])
        inputs = [
            tf_keras.Input(shape[1:], name=f"x{i}") for i, shape in enumerate(request["shapes"])
        ]
        output = called(layer, inputs)
        if [w.shape.as_list() for w in layer.weights] != [list(w.shape) for w in weights]:
            raise Refused(f"takes weights {[tuple(w.shape) for w in layer.weights]}")
        layer.set_weights(weights)
        write_fragment(layer, [each.shape for each in inputs], Path(request["output"]))
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        # Whatever Keras or tf2onnx raises, it is this layer that they cannot take.
        told = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
        return {"refused": told}
    own = {id(variable) for variable in (*layer._trainable_weights, *layer._non_trainable_weights)}
    roles = [
        w.name.rpartition("/")[2].partition(":")[0]
        if id(w) in own and w.dtype.is_floating
        else None
        for w in layer.weights
    ]
    converter = f"tf2onnx {version('tf2onnx')}"
    return {"converter": converter, "shape": output.shape.as_list(), "roles": roles}


def stock_layer(class_name: str, config: Config) -> Layer:
    """A layer of Keras's own, without a state, of a configuration that names no code."""
    import tf_keras

    kind: Layer = getattr(tf_keras.layers, class_name, None)
    if not getattr(kind, "__module__", "").startswith("tf_keras.src.layers."):
        raise Refused("is no layer of Keras's own")
    if issubclass(kind, (tf_keras.layers.Lambda, tf_keras.layers.RNN, tf_keras.layers.Wrapper)):
        raise Refused("holds code, a state or another layer")
    refuse_code(config)
    layer = kind.from_config(config)
    if layer.stateful or layer.compute_dtype != "float32":
        raise Refused(f"stateful={layer.stateful}, in {layer.compute_dtype}")
    return layer


def called(layer: Layer, inputs: list[Layer]) -> Layer:
    """The symbolic result, which has to be one float32 tensor without a mask."""
    output = layer(inputs if len(inputs) > 1 else inputs[0], training=False)
    if isinstance(output, (dict, list, tuple)):
        raise Refused("returns several tensors")
    if getattr(output, "_keras_mask", None) is not None:
        raise Refused("makes a mask for the layers behind it")
    if output.dtype.name != "float32":
        raise Refused(f"returns {output.dtype.name}")
    return output


def write_fragment(layer: Layer, shapes: list[Layer], path: Path) -> None:
    """The layer in operators of the standard domain, without control flow."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    def compute(*tensors: Layer) -> Layer:
        return layer(list(tensors) if len(tensors) > 1 else tensors[0], training=False)

    taken = [tf.TensorSpec(shape, tf.float32, f"x{i}") for i, shape in enumerate(shapes)]
    model, _ = tf2onnx.convert.from_function(
        tf.function(compute, autograph=False), input_signature=taken, opset=FRAGMENT_OPSET
    )
    names = [value.name for value in model.graph.input]
    if names != [each.name for each in taken] or len(model.graph.output) != 1:
        raise Refused(f"tf2onnx leaves the inputs {names}")
    attributes = [a for node in model.graph.node for a in node.attribute]
    if any(a.HasField("g") or a.graphs for a in attributes):
        raise Refused("tf2onnx makes it of branches or loops")
    kept = [each for each in model.opset_import if each.domain == ""]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
