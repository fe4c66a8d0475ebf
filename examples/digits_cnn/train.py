"""Train a small 4-bit network on scikit-learn's digits, and save it as ``model.h5``.

Pixels are integers from 0 to 16, divided by 16. Half a minute on a laptop.
"""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # QKeras is written for Keras 2
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import qkeras
import tensorflow as tf
import tf_keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def network() -> tf_keras.Model:
    """Two convolutions with batch normalization, 4-bit weights and activations, one dense layer."""
    weights = "quantized_bits(4, 0, alpha=1)"
    layers = tf_keras.layers
    return tf_keras.Sequential(
        [
            layers.InputLayer((8, 8, 1), name="image"),
            qkeras.QConv2D(
                16, 3, padding="same", kernel_quantizer=weights, use_bias=False, name="conv1"
            ),
            layers.BatchNormalization(name="norm1"),
            qkeras.QActivation("quantized_relu(4, 1)", name="relu1"),
            qkeras.QConv2D(32, 3, kernel_quantizer=weights, use_bias=False, name="conv2"),
            layers.BatchNormalization(name="norm2"),
            qkeras.QActivation("quantized_relu(4, 1)", name="relu2"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Flatten(name="flatten"),
            qkeras.QDense(
                10, kernel_quantizer="quantized_bits(6, 0, alpha=1)",
                bias_quantizer="quantized_bits(6, 0, alpha=1)", name="scores",
            ),
        ],
        name="digits_cnn",
    )  # fmt: skip


def main() -> None:
    """Train, and leave the model and the test images in the current directory."""
    tf.keras.utils.set_random_seed(0)
    digits = load_digits()
    images = (digits.images[..., None] / 16).astype(np.float32)
    split = train_test_split(images, digits.target, test_size=0.25, random_state=0)
    train_x, test_x, train_y, test_y = split
    model = network()
    model.compile(
        tf_keras.optimizers.Adam(3e-3),
        tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(train_x, train_y, epochs=15, batch_size=32, verbose=0)
    _, accuracy = model.evaluate(test_x, test_y, verbose=0)
    model.save("model.h5", include_optimizer=False)
    np.savez("test.npz", image=test_x)
    np.save("labels.npy", test_y)
    print(f"model.h5: accuracy {accuracy:.3f} on {len(test_y)} test images")


if __name__ == "__main__":
    main()
