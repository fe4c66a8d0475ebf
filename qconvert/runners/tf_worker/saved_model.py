"""SavedModel folders, from their configuration and variables."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from .legacy import LEGACY, custom_objects
from .safety import refuse_code
from .tracing import is_container

if TYPE_CHECKING:
    from .aliases import Config, Json, Layer


def read_saved_model(folder: Path) -> Layer:
    """The Keras model in a SavedModel folder, from its configuration and its variables.

    Keras keeps both beside the graphs, so that nothing of these is loaded or run.
    `ValueError` where there is no such model, or where it would take code to make it.
    """
    import tf_keras
    from tf_keras.src.saving.legacy.saved_model import json_utils

    text = keras_metadata(folder)
    metadata = json.loads(text)
    refuse_code(metadata)
    name, config = metadata.get("class_name"), metadata.get("config")
    if not config:
        raise ValueError(f"the model ({name}) has no configuration, only graphs")
    if name not in ("Functional", "Model", "Sequential"):
        raise ValueError(f"the model is of class {name}, which is code that the folder lacks")
    entry = {"class_name": name, "config": json_utils.decode(text)["config"]}
    with tf_keras.utils.custom_object_scope(custom_objects()):
        model = tf_keras.models.model_from_config(entry)
        if not is_container(model) or model.inputs is None:
            raise ValueError("neither a Sequential nor a Functional model with known input shapes")
        if model.weights:
            status = model.load_weights(folder)
            status.assert_existing_objects_matched()
            status.expect_partial()
    return model


def keras_metadata(folder: Path) -> str:
    """What Keras says of the model itself, which is the first object of a SavedModel."""
    from tensorflow.core.protobuf import saved_model_pb2
    from tf_keras.protobuf import saved_metadata_pb2

    if (folder / "keras_metadata.pb").exists():
        content = (folder / "keras_metadata.pb").read_bytes()
        nodes = saved_metadata_pb2.SavedMetadata.FromString(content).nodes
        found = [node.metadata for node in nodes if node.node_id == 0]
    else:
        # TensorFlow before 2.5 keeps it among the objects, of which the model is the first.
        content = (folder / "saved_model.pb").read_bytes()
        graphs = saved_model_pb2.SavedModel.FromString(content).meta_graphs
        objects = [g.object_graph_def.nodes for g in graphs[:1]]
        found = [nodes[0].user_object.metadata for nodes in objects if nodes]
    if not found or not found[0]:
        raise ValueError("keras_metadata.pb is missing, or describes no Keras model")
    return str(found[0])


def convert(request: Json) -> Config:
    """Write the model of a SavedModel folder to a file."""
    os.environ.update(LEGACY)
    try:
        model = read_saved_model(Path(request["model"]))
        model.save(request["output"], include_optimizer=False, save_format="h5")
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        # Whatever TensorFlow raises, it is the folder that it cannot read.
        return {"refused": f"{type(error).__name__}: {error}"}
    return {}
