"""One stock layer as an ONNX file, by tf2onnx."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from .legacy import LEGACY
from .safety import refuse_code
from .weights import variable_roles

if TYPE_CHECKING:
    from collections.abc import Callable

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
        call = calling(layer, request["names"], request["arguments"])
        output = checked(call(*inputs))
        if [w.shape.as_list() for w in layer.weights] != [list(w.shape) for w in weights]:
            raise Refused(f"takes weights {[tuple(w.shape) for w in layer.weights]}")
        layer.set_weights(weights)
        shapes = [each.shape for each in inputs]
        write_fragment(call, shapes, output.shape.as_list(), Path(request["output"]))
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        # Whatever Keras or tf2onnx raises, it is this layer that they cannot take.
        told = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
        return {"refused": told}
    named = variable_roles(layer)
    roles = [named.get(id(variable)) for variable in layer.weights]
    converter = f"tf2onnx {version('tf2onnx')}"
    return {"converter": converter, "shape": output.shape.as_list(), "roles": roles}


def stock_layer(class_name: str, config: Config) -> Layer:
    """A layer of Keras's own, without a state, of a configuration that names no code."""
    import tf_keras

    kind: Layer = getattr(tf_keras.layers, class_name, None)
    if not getattr(kind, "__module__", "").startswith("tf_keras.src.layers."):
        raise Refused("is no layer of Keras's own")
    if issubclass(kind, tf_keras.layers.Lambda):
        raise Refused("holds code")
    refuse_code(config)
    layer = kind.from_config(config)
    for each in layer._flatten_layers():
        if each.stateful or each.compute_dtype != "float32":
            raise Refused(f"stateful={each.stateful}, in {each.compute_dtype}")
        if type(each) is tf_keras.layers.RNN:
            # tf2onnx makes a loop of the steps otherwise, which is not spliced in.
            each.unroll = True
    return layer


def calling(layer: Layer, names: list[str], arguments: Config) -> Callable[..., Layer]:
    """The call of a layer at inference, the last inputs by their names."""

    def call(*tensors: Layer) -> Layer:
        count = len(tensors) - len(names)
        first = list(tensors[:count]) if count > 1 else tensors[0]
        named = dict(zip(names, tensors[count:], strict=True))
        return layer(first, training=False, **named, **arguments)

    return call


def checked(output: Layer) -> Layer:
    """The symbolic result, which has to be one float32 tensor without a mask."""
    if isinstance(output, (dict, list, tuple)):
        raise Refused("returns several tensors")
    if getattr(output, "_keras_mask", None) is not None:
        raise Refused("makes a mask for the layers behind it")
    if output.dtype.name != "float32":
        raise Refused(f"returns {output.dtype.name}")
    return output


def write_fragment(
    call: Callable[..., Layer], shapes: list[Layer], result: list[int | None], path: Path
) -> None:
    """The layer in operators of the standard domain, without control flow."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    taken = [tf.TensorSpec(shape, tf.float32, f"x{i}") for i, shape in enumerate(shapes)]
    model, _ = tf2onnx.convert.from_function(
        tf.function(call, autograph=False), input_signature=taken, opset=FRAGMENT_OPSET
    )
    names = [value.name for value in model.graph.input]
    if names != [each.name for each in taken] or len(model.graph.output) != 1:
        raise Refused(f"tf2onnx leaves the inputs {names}")
    attributes = [a for node in model.graph.node for a in node.attribute]
    if any(a.HasField("g") or a.graphs for a in attributes):
        raise Refused("tf2onnx makes it of branches or loops")
    if any(a.name == "mode" and a.s == b"cubic" for a in attributes):
        raise Refused("TensorFlow takes the weights of bicubic interpolation from a table")
    (found,) = model.graph.output
    if not found.type.tensor_type.HasField("shape"):
        found.CopyFrom(onnx.helper.make_tensor_value_info(found.name, 1, result))
    kept = [each for each in model.opset_import if each.domain == ""]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
