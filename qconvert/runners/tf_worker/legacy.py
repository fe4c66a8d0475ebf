"""Models of Keras 2: old files load, and what QKeras 0.9.0 lacks."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from .weights import layer_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from .aliases import Config, Layer


LEGACY = {"TF_USE_LEGACY_KERAS": "1"}
#: Keras 2.13 and 2.14 name the group of a model's layers so; the others ``layers``.
OLD_LAYERS = "_layer_checkpoint_dependencies"
FAULT_OPTIONS = {"ber", "bias_ber", "bit_loc", "is_training", "kernel_ber", "rad"}
NORMALIZATION_OPTIONS = {"axis", "momentum", "epsilon", "center", "scale", "fused"} | {
    f"{role}_{kind}"
    for role in ("beta", "gamma", "moving_mean", "moving_variance")
    for kind in ("initializer", "regularizer", "constraint")
}


def load_legacy(path: Path, text: str, weights: Path | None, folder: Path) -> Layer:
    """The model of Keras 2 in a file.

    AutoGraph would translate the code of all layers, for control flow that depends on tensors: none
    has any, so that graphs are the same without, and `load` and ``predict`` take half the time.
    """
    import tensorflow as tf

    as_it_is = tf.autograph.experimental.do_not_convert
    model = as_it_is(built)(path, text, weights, folder)
    # It begins a graph, in which translating would begin anew.
    model.predict_step = as_it_is(model.predict_step)
    return model


def built(path: Path, text: str, weights: Path | None, folder: Path) -> Layer:
    """The model as Keras builds it."""
    import h5py
    import tf_keras

    if path.suffix == ".keras" or zipfile.is_zipfile(path):
        source = repaired_archive(path, folder)
    else:
        source = named(path, folder / "model.h5")
    with tf_keras.utils.custom_object_scope(custom_objects()):
        if not h5py.is_hdf5(path) and not zipfile.is_zipfile(path):
            model = tf_keras.models.model_from_json(text)
        else:
            model = tf_keras.models.load_model(source, compile=False)
        if weights is not None:
            model.load_weights(repaired_weights(weights, folder))
    return model


def named(path: Path, copy: Path) -> Path:
    """*path* if it has the suffix of *copy*, by which Keras tells formats apart, else a copy."""
    if path.suffix == copy.suffix:
        return path
    shutil.copyfile(path, copy)
    return copy


def repaired_archive(path: Path, folder: Path) -> Path:
    """A ``.keras`` file with the names of groups that today's Keras reads."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = folder / "model.weights.h5"
    weights.write_bytes(members["model.weights.h5"])
    if not rename_groups(weights):
        return named(path, folder / "model.keras")
    members["model.weights.h5"] = weights.read_bytes()
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return folder / "model.keras"


def repaired_weights(path: Path, folder: Path) -> Path:
    """A weights file under the name by which Keras tells the old format from the new one."""
    import h5py

    with h5py.File(path, "r") as file:
        old = "layer_names" in file.attrs or "model_weights" in file
    copy = folder / ("weights.h5" if old else "new.weights.h5")
    shutil.copyfile(path, copy)
    if not old:
        rename_groups(copy)
    return copy


def rename_groups(path: Path) -> bool:
    """Rename the groups of Keras 2.13 and 2.14 in a weights file; whether there were any."""
    import h5py

    found: list[str] = []
    with h5py.File(path, "r+") as file:
        file.visit(lambda name: found.append(name) if name.endswith(OLD_LAYERS) else None)
        for name in sorted(found, key=len, reverse=True):
            file.move(name, name[: -len(OLD_LAYERS)] + "layers")
    return bool(found)


def custom_objects() -> dict[str, object]:
    """All of QKeras, what its files need besides, and what TensorFlow has lost since."""
    import qkeras
    import tensorflow as tf
    from qkeras.utils import _add_supported_quantized_objects
    from tensorflow.python.ops import array_ops
    from tensorflow.python.util import nest
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_wrapper

    array_ops.stack, array_ops.unstack, nest.is_sequence = tf.stack, tf.unstack, nest.is_nested
    known: dict[str, object] = {}
    _add_supported_quantized_objects(known)
    known["quantized_hswish"] = built_from(qkeras.quantized_hswish, without_sign)
    known["PruneLowMagnitude"] = pruning_wrapper.PruneLowMagnitude
    known["QActivation"] = built_from(qkeras.QActivation, with_quantizer)
    known["FQDense"] = built_from(qkeras.QDense, without_faults)
    known["FQConv2D"] = built_from(qkeras.QConv2D, without_faults)
    known["QDenseBatchnorm"] = dense_batchnorm()
    return known


def built_from(base: type, read: Callable[[Config], Config]) -> type:
    """A stand-in that Keras deserializes to *base*, from a configuration that *read* adapts."""
    return type(
        base.__name__, (base,), {"from_config": classmethod(lambda _, config: base(**read(config)))}
    )


def with_quantizer(config: Config) -> Config:
    """QActivation takes a string or an object; a ``.keras`` file gives it a dictionary."""
    import qkeras

    if not isinstance(config["activation"], dict):
        return config
    return {**config, "activation": qkeras.get_quantizer(config["activation"])}


def without_sign(config: Config) -> Config:
    """QKeras's quantized_hswish saves an option of its base that it does not take."""
    return {key: value for key, value in config.items() if key != "keep_negative"}


def without_faults(config: Config) -> Config:
    """Options of QDense and QConv2D alone, from those of fkeras, which can inject faults."""
    if any(config.get(rate) for rate in ("ber", "kernel_ber", "bias_ber")):
        raise ValueError(f"{config.get('name')}: fault injection is switched on")
    return {key: value for key, value in config.items() if key not in FAULT_OPTIONS}


def dense_batchnorm() -> type:
    """``QDenseBatchnorm``, which QKeras 0.9.0 lacks, as its QConv2DBatchnorm works at inference."""
    import qkeras
    import tensorflow as tf
    import tf_keras

    class QDenseBatchnorm(qkeras.QDense):  # type: ignore[misc]
        def __init__(self, dense: Config, normalization: Config) -> None:
            super().__init__(**dense)
            self.batchnorm = tf_keras.layers.BatchNormalization(**normalization)

        @classmethod
        def from_config(cls, config: Config) -> Layer:
            other = NORMALIZATION_OPTIONS | {"ema_freeze_delay", "folding_mode"}
            return cls(
                {key: value for key, value in config.items() if key not in other},
                {key: value for key, value in config.items() if key in NORMALIZATION_OPTIONS},
            )

        def build(self, input_shape: Layer) -> None:
            super().build(input_shape)
            self.batchnorm.build(self.compute_output_shape(input_shape))
            self._iteration = tf.Variable(-1, trainable=False, name="iteration", dtype=tf.int64)

        def get_folded_weights(self) -> list[Layer]:
            normalization = self.batchnorm
            inv = tf.math.rsqrt(normalization.moving_variance + normalization.epsilon)
            if normalization.gamma is not None:
                inv *= normalization.gamma
            bias = (self.bias if self.use_bias else 0) - normalization.moving_mean
            return [inv * self.kernel, inv * bias + normalization.beta]

        def call(self, inputs: Layer) -> Layer:
            weights = layer_weights(self)
            y = tf_keras.backend.dot(inputs, weights["kernel"])
            y = tf_keras.backend.bias_add(y, weights["bias"], data_format="channels_last")
            return y if self.activation is None else self.activation(y)

    return QDenseBatchnorm
