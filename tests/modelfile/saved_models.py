"""Let tf_keras write the models of the dialect tests: ``saved_models.py FOLDER``."""

import sys
from pathlib import Path

import numpy as np
import tf_keras
from qkeras import QActivation, QConv2D, QConv2DBatchnorm, QDense, quantized_bits
from tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper import (
    PruneLowMagnitude,
)
from tf_keras import layers


def _quantizer() -> quantized_bits:
    return quantized_bits(4, 0, alpha=1)


def _conv(filters: int, size: int, name: str) -> QConv2D:
    return QConv2D(filters, size, kernel_quantizer=_quantizer(), name=name)


def _encoder() -> tf_keras.Model:
    x = image = layers.Input((6, 6, 2))
    x = layers.BatchNormalization(name="norm")(_conv(2, 1, "first")(x))
    return tf_keras.Model(image, _conv(2, 1, "second")(x), name="encoder")


def _branches() -> tf_keras.Model:
    x = image = layers.Input((8, 8, 1), name="image")
    x = _conv(2, 3, "first")(x)
    x = QConv2DBatchnorm(2, 1, kernel_quantizer=_quantizer(), name="folded")(x)
    encoder, shared = _encoder(), _conv(2, 1, "shared")
    x = QActivation("quantized_relu(4)", name="act")(shared(shared(encoder(encoder(x)))))
    head = [QDense(3, kernel_quantizer=_quantizer(), name="dense"), layers.Dense(2, name="plain")]
    x = tf_keras.Sequential(head, name="head")(layers.Flatten(name="flat")(x))
    return tf_keras.Model(image, QDense(2, kernel_quantizer=_quantizer(), name="out")(x))


def _pruned() -> tf_keras.Model:
    image = layers.Input((4, 4, 1), name="image")
    x = PruneLowMagnitude(_conv(2, 3, "conv"))(image)
    x = PruneLowMagnitude(QConv2DBatchnorm(3, 1, name="folded"))(x)
    return tf_keras.Model(image, layers.Dense(2, name="plain")(layers.Flatten()(x)))


def _randomize(model: tf_keras.Model) -> None:
    for seed, weight in enumerate(model.weights):
        values = np.asarray(np.random.default_rng(seed).normal(size=weight.shape) * 9)
        weight.assign(values.astype(weight.dtype.name))


def _leaves(model: tf_keras.Model, prefix: str = "") -> dict[str, list[np.ndarray]]:
    found: dict[str, list[np.ndarray]] = {}
    for layer in model.layers:
        path = prefix + layer.name
        if isinstance(layer, tf_keras.Model):
            found |= _leaves(layer, path + "/")
        else:
            found[path] = [weight.numpy() for weight in layer.weights]
    return found


def _save(model: tf_keras.Model, stem: Path) -> None:
    _randomize(model)
    model.save(stem.with_suffix(".h5"))
    model.save(stem.with_suffix(".keras"))
    for name in ("named", "numbered"):
        stem.with_name(f"{stem.name}_{name}.json").write_text(model.to_json())
    model.save_weights(stem.with_name(f"{stem.name}_named_weights.h5"))
    model.save_weights(stem.with_name(f"{stem.name}_numbered.weights.h5"))
    arrays = {f"{p}|{i}": w for p, ws in _leaves(model).items() for i, w in enumerate(ws)}
    np.savez(stem.with_suffix(".npz"), allow_pickle=False, **arrays)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    _save(_branches(), folder / "branches")
    _save(_pruned(), folder / "pruned")
