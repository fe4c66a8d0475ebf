"""Writes a QKeras model, an input and what TensorFlow makes of it into the folder given."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import numpy as np
from qkeras import QActivation, QConv2D, QDense, quantized_bits, quantized_relu
from tf_keras import Input, Model
from tf_keras.layers import Flatten, MaxPooling2D

import qconvert
from qconvert.report import to_json
from tests.shared_tensorflow import one_tensorflow

AUTO = ("auto", "auto_po2")
FOUR_BITS = "quantized_bits(4, 0, alpha=1)"


def model() -> Model:
    """Convolution, pooling, dense layer; every value on a grid of powers of two."""
    image = Input((8, 8, 2), name="image")
    x = QActivation("quantized_relu(6, 1)", name="pixels")(image)
    x = QConv2D(3, 3, kernel_quantizer=FOUR_BITS, bias_quantizer=FOUR_BITS, name="conv")(x)
    x = QActivation("quantized_relu(4, 2)", name="act")(x)
    x = Flatten(name="flat")(MaxPooling2D(2, name="pool")(x))
    x = QDense(5, kernel_quantizer=FOUR_BITS, bias_quantizer=FOUR_BITS, name="out")(x)
    return Model(image, x, name="model")


def losing() -> Model:
    """A model whose file would clip at another number; its input is an output too."""
    x = Input((64,), name="x")
    relu = quantized_relu(4, 1, relu_upper_bound=1.3, is_quantized_clip=False)
    return Model(x, [QActivation(relu, name="act")(x), x], name="losing")


def automatic() -> Model:
    """Activations with scales that QKeras computes from the batch, one behind the other."""
    x = image = Input((6, 6, 3), name="x")
    x = QActivation("quantized_bits(6, 1, 1, alpha='auto_po2')", name="first")(x)
    x = QConv2D(4, 3, kernel_quantizer=FOUR_BITS, bias_quantizer=FOUR_BITS, name="conv")(x)
    results = [QActivation(f"quantized_bits(4, 2, 1, alpha='{a}')", name=a)(x) for a in AUTO]
    results += [QActivation(f"{n}(alpha='{AUTO[0]}')", name=n)(x) for n in ("binary", "ternary")]
    return Model(image, results, name="automatic")


def unread() -> Model:
    """What QKeras writes to files and cannot read: its functions, and arrays of scales."""
    x = image = Input((6,), name="x")
    scales = np.array([1, 2, 0.5, 0.25, 4], np.float32)
    kernel = quantized_bits(4, 0, alpha=scales)
    x = QDense(5, kernel_quantizer=kernel, bias_quantizer=FOUR_BITS, name="scaled")(x)
    x = QActivation(quantized_bits(6, 2, alpha=scales[None]), name="act")(x)
    for name in ("hard_tanh", "smooth_sigmoid", "binary_tanh"):
        x = QDense(4, kernel_quantizer=FOUR_BITS, activation=name, name=name)(x)
    return Model(image, x, name="unread")


def main(folder: Path) -> None:
    made = model()
    random = np.random.default_rng(0)
    made.set_weights([random.uniform(-1, 1, w.shape) for w in made.get_weights()])
    made.save(folder / "model.h5")
    image = random.integers(0, 64, (3, 8, 8, 2)).astype(np.float32) / 32
    conv = made.get_layer("conv")
    kernel, bias = conv.get_weights()
    np.savez(
        folder / "truth.npz",
        image=image,
        conv=Model(made.input, conv.output)(image).numpy(),
        out=made(image).numpy(),
        raw_kernel=kernel,
        raw_bias=bias,
    )
    qconvert.export(made, folder / "live.onnx")
    scaled = automatic()
    scaled.set_weights([random.uniform(-1, 1, w.shape) for w in scaled.get_weights()])
    scaled.save(folder / "automatic.h5")
    unread().save(folder / "unread.h5")
    unread().save(folder / "unread.keras")
    (folder / "unread.json").write_text(unread().to_json())
    unread().save_weights(folder / "unread_weights.h5")
    losing().save(folder / "losing.h5")
    x = Input((3,), name="x")
    live = {"unread_live": unread(), "no_layers": Model(x, [x, x]), "losing": losing()}
    with one_tensorflow():
        for name, each in live.items():
            report = qconvert.check(each, samples=8)
            (folder / f"{name}.json").write_text(to_json(report))


main(Path(sys.argv[1]))
