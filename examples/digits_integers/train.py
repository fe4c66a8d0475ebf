"""Train a dense network of 6 bits whose input and output are integers on the device.

Pixels are integers from 0 to 16; the network sees them divided by 16, and its last layer rounds
the scores to 8 bits. Half a minute on a laptop.
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
    """Two hidden layers; everything is quantized, the scores too."""
    weights = "quantized_bits(6, 0, alpha=1)"
    options = {"kernel_quantizer": weights, "bias_quantizer": weights}
    return tf_keras.Sequential(
        [
            tf_keras.layers.InputLayer((64,), name="pixels"),
            qkeras.QDense(32, name="dense1", **options),
            qkeras.QActivation("quantized_relu(6, 2)", name="relu1"),
            qkeras.QDense(32, name="dense2", **options),
            qkeras.QActivation("quantized_relu(6, 2)", name="relu2"),
            qkeras.QDense(10, name="dense3", **options),
            qkeras.QActivation("quantized_bits(8, 4, alpha=1)", name="scores"),
        ],
        name="digits_integers",
    )


def main() -> None:
    """Train, and leave the model and the test images in the current directory."""
    tf.keras.utils.set_random_seed(0)
    digits = load_digits()
    pixels = (digits.data / 16).astype(np.float32)
    split = train_test_split(pixels, digits.target, test_size=0.25, random_state=0)
    train_x, test_x, train_y, test_y = split
    model = network()
    model.compile(
        tf_keras.optimizers.Adam(2e-3),
        tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(train_x, train_y, epochs=25, batch_size=32, verbose=0)
    _, accuracy = model.evaluate(test_x, test_y, verbose=0)
    model.save("model.h5", include_optimizer=False)
    np.save("pixels.npy", (test_x * 16).astype(np.uint8))
    np.save("labels.npy", test_y)
    print(f"model.h5: accuracy {accuracy:.3f} on {len(test_y)} test images")


if __name__ == "__main__":
    main()
