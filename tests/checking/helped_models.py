"""Writes a model with stock layers that qconvert does not know, in several forms, into a folder."""

import os
import shutil
import sys
from pathlib import Path

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import numpy as np
from qkeras import QActivation, QDense
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tf_keras import Input, Model
from tf_keras.layers import (
    RNN,
    Attention,
    EinsumDense,
    Flatten,
    GroupNormalization,
    LSTMCell,
    MultiHeadAttention,
    Resizing,
)
from tf_keras.protobuf.saved_metadata_pb2 import SavedMetadata
from tf_keras.utils import set_random_seed

FOUR_BITS = "quantized_bits(4, 0, alpha=1)"


def main(folder: Path) -> None:
    """One opaque layer is exact for inputs on a grid, the other rounds."""
    x = image = Input((4, 6), name="x")
    x = QActivation("quantized_bits(6, 1, alpha=1)", name="codes")(x)
    x = EinsumDense("abc,cd->abd", output_shape=(4, 5), bias_axes="d", name="einsum")(x)
    x = QActivation("quantized_bits(6, 3, alpha=1)", name="act")(x)
    x = GroupNormalization(1, name="group")(x)
    x = Flatten(name="flat")(QActivation("quantized_bits(6, 0, alpha=1)", name="late")(x))
    x = QDense(3, kernel_quantizer=FOUR_BITS, bias_quantizer=FOUR_BITS, name="out")(x)
    model = Model(image, x, name="helped")
    random = np.random.default_rng(0)
    model.set_weights([random.integers(-7, 8, w.shape) / 8 for w in model.get_weights()])
    model.save(folder / "model.h5")
    model.save(folder / "saved_model", save_format="tf")
    refused().save(folder / "refused.h5")
    refused().save(folder / "refused.keras")
    age(folder / "saved_model", folder / "old")


def refused() -> Model:
    """Layers that qconvert knows, with options that it does not; and a cell."""
    set_random_seed(0)
    image, series = Input((4, 5, 2), name="image"), Input((5, 4), name="series")
    attention = MultiHeadAttention(2, 2, name="causal")
    x = attention(series, series, use_causal_mask=True)
    x = Attention(name="mask")([x, series], use_causal_mask=True)
    return Model(
        [image, series],
        [
            Resizing(9, 3, "area", name="area")(image),
            MultiHeadAttention(2, 2, name="square")(image, image),
            RNN(LSTMCell(2), name="cell")(x),
        ],
    )


def age(saved_model: Path, old: Path) -> None:
    """The same folder as TensorFlow before 2.5 wrote it: no file for Keras's metadata."""
    shutil.copytree(saved_model, old)
    graph = SavedModel.FromString((old / "saved_model.pb").read_bytes())
    nodes = SavedMetadata.FromString((old / "keras_metadata.pb").read_bytes()).nodes
    root = graph.meta_graphs[0].object_graph_def.nodes[0]
    root.user_object.metadata = nodes[0].metadata
    (old / "saved_model.pb").write_bytes(graph.SerializeToString())
    (old / "keras_metadata.pb").unlink()


main(Path(sys.argv[1]))
