"""Train a small QLSTM that reads a digit row by row, with 8-bit weights and states.

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
    """One recurrent layer over eight rows of eight pixels, one dense layer."""
    weights = "quantized_bits(8, 0, alpha=1)"
    return tf_keras.Sequential(
        [
            tf_keras.layers.InputLayer((8, 8), name="rows"),
            qkeras.QLSTM(
                24,
                activation="quantized_tanh(8)",
                recurrent_activation="quantized_sigmoid(8)",
                kernel_quantizer=weights,
                recurrent_quantizer=weights,
                bias_quantizer=weights,
                state_quantizer=weights,
                name="lstm",
            ),
            qkeras.QDense(10, kernel_quantizer=weights, bias_quantizer=weights, name="scores"),
        ],
        name="digits_rnn",
    )


def main() -> None:
    """Train, and leave the model and the test images in the current directory."""
    tf.keras.utils.set_random_seed(0)
    digits = load_digits()
    rows = (digits.images / 16).astype(np.float32)
    split = train_test_split(rows, digits.target, test_size=0.25, random_state=0)
    train_x, test_x, train_y, test_y = split
    model = network()
    model.compile(
        tf_keras.optimizers.Adam(5e-3),
        tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(train_x, train_y, epochs=12, batch_size=32, verbose=0)
    _, accuracy = model.evaluate(test_x, test_y, verbose=0)
    model.save("model.h5", include_optimizer=False)
    np.savez("test.npz", rows=test_x)
    np.save("labels.npy", test_y)
    print(f"model.h5: accuracy {accuracy:.3f} on {len(test_y)} test images")


if __name__ == "__main__":
    main()
