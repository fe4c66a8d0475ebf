"""The classifiers, and the autoencoder, of QKeras's folder of examples."""

from typing import Final

import numpy as np
import qkeras
from qkeras.utils import model_save_quantized_weights
from tensorflow_model_optimization.sparsity.keras import prune_low_magnitude
from tf_keras import Sequential
from tf_keras import layers as stock

from scripts.examples.example import Example, Keras, act, chain, conv, dense, signed, softmax

DIGIT: Final = (28, 28, 1)
PHOTO: Final = (32, 32, 3)


def po2(bits: int, largest: float | None = None) -> Keras:
    """``quantized_po2``."""
    return qkeras.quantized_po2(bits, largest)


def three_strided_convolutions() -> list[Keras]:
    """What several of the digit classifiers begin with."""
    sizes = ((32, 2), (64, 3), (64, 2))
    layers = ((conv(filters, size, 2), act("quantized_relu(4,0)")) for filters, size in sizes)
    return [layer for pair in layers for layer in pair]


def mnist() -> Keras:
    """Four bits everywhere."""
    return chain(DIGIT, *three_strided_convolutions(), stock.Flatten(), dense(10), softmax())


def mnist_saved_quantized() -> Keras:
    """The same with quantized weights in its file."""
    return mnist()


def mnist_in_sequence() -> Keras:
    """The same as ``Sequential``, with activations given as objects."""
    layers: list[Keras] = [stock.InputLayer(DIGIT)]
    for filters, size in ((32, 2), (64, 3), (64, 2)):
        layers += [conv(filters, size, 2), act(qkeras.quantized_relu(4, 0))]
    return Sequential([*layers, stock.Flatten(), dense(10), softmax()])


def mnist_po2() -> Keras:
    """Powers of two, some with the rounding that is random in training."""
    random = {"use_stochastic_rounding": True}

    def powers(filters: int, size: int, **options: bool) -> Keras:
        kernel = qkeras.quantized_po2(4, 1, **options)
        return conv(filters, size, 2, kernel_quantizer=kernel, bias_quantizer=po2(4, 1))

    return chain(
        DIGIT,
        act("quantized_relu_po2(4)"),
        powers(32, 2),
        act("quantized_relu_po2(4,4)"),
        powers(64, 3),
        act("quantized_relu_po2(4,4,use_stochastic_rounding=True)"),
        powers(64, 2, **random),
        act("quantized_relu(4,1)"),
        stock.Flatten(),
        dense(10),
        softmax(),
    )


def mnist_thermometer() -> Keras:
    """Pixels as 256 bits, which the program makes before the network sees them."""
    return _thermometer(256, 1)


def mnist_pixels() -> Keras:
    """The same program with pixels as they are."""
    return _thermometer(1, 0)


def _thermometer(classes: int, integer: int) -> Keras:
    ternary = qkeras.stochastic_ternary()
    kernels = ((64, po2(4, 1), signed(4, 2)), (32, ternary, signed(8, 5)))
    layers: list[Keras] = [act(f"quantized_relu({1 if integer else 8},{integer})")]
    for filters, kernel, bias in kernels:
        layers += [
            conv(filters, 3, padding="same", kernel_quantizer=kernel, bias_quantizer=bias),
            act("quantized_relu(4,0)"),
            stock.MaxPooling2D(2, 2),
        ]
    last = conv(16, 3, padding="same", bias_quantizer=signed(8, 5))
    layers += [last, act("quantized_relu(6,2)"), stock.MaxPooling2D(2, 2)]
    return chain((28, 28, classes), *layers, stock.Flatten(), dense(10), softmax())


def mnist_normalized() -> Keras:
    """Ternary kernels of a given threshold, normalizations and a mu-law classifier."""
    return _normalized_digits(threshold=0.1)


def mnist_normalized_by_itself() -> Keras:
    """The same with the thresholds that QKeras finds, the only ones it takes for kernels."""
    return _normalized_digits()


def _normalized_digits(**options: float) -> Keras:
    layers: list[Keras] = []
    for number, filters in enumerate((128, 256, 128)):
        ternary = qkeras.ternary(**options)
        convolution = qkeras.QConv2D(filters, 3, kernel_quantizer=ternary, use_bias=False)
        layers += [convolution, _normalized(f"bn_{number}"), act("quantized_relu(3,1)")]
        layers += [stock.MaxPooling2D(2, 2)]
    return chain(DIGIT, *layers, stock.Flatten(), _mu_law(), softmax())


def _normalized(name: str) -> Keras:
    return qkeras.QBatchNormalization(
        gamma_quantizer=qkeras.quantized_relu_po2(4, 8),
        variance_quantizer=qkeras.quantized_relu_po2(6),
        beta_quantizer=po2(4, 4),
        name=name,
    )


def _mu_law() -> Keras:
    return dense(10, kernel_quantizer=qkeras.quantized_ulaw(4, 0, 1))


def mnist_autoencoder() -> Keras:
    """Three convolutions and three transposed ones."""
    layers: list[Keras] = []
    for filters in (32, 16, 8):
        layers += [conv(filters, 3), act("quantized_relu(4,0)")]
    for filters in (8, 16, 32):
        transposed = qkeras.QConv2DTranspose(
            filters, 3, kernel_quantizer=signed(4), bias_quantizer=signed(4)
        )
        layers += [transposed, act("quantized_relu(4,0)")]
    sigmoid = stock.Activation("sigmoid", name="sigmoid")
    return chain(DIGIT, *layers, conv(1, 3, padding="same"), sigmoid)


def sparse(model: Keras) -> Keras:
    """Three quarters of every kernel 0, as pruning leaves it."""
    for variable in model.weights:
        if variable.name.endswith("kernel:0"):
            values = variable.numpy()
            variable.assign(np.where(abs(values) < np.quantile(abs(values), 0.75), 0, values))
    return model


def saved_quantized(model: Keras) -> Keras:
    """As ``model_save_quantized_weights`` leaves it."""
    model_save_quantized_weights(model)
    return model


def mnist_pruned() -> Keras:
    """All layers of a model in wrappers that prune."""
    return prune_low_magnitude(mnist())


def mnist_pruned_layers() -> Keras:
    """Single layers in wrappers that prune."""
    first, *others = three_strided_convolutions()
    layers = [prune_low_magnitude(first, input_shape=DIGIT)]
    layers += [prune_low_magnitude(x) if isinstance(x, qkeras.QConv2D) else x for x in others]
    return Sequential([*layers, stock.Flatten(), prune_low_magnitude(dense(10)), softmax()])


def cifar10_po2() -> Keras:
    """Powers of two, ternary activations, four bits and mu-law in one network."""
    powers = [{"kernel_quantizer": po2(4, 1), "bias_quantizer": po2(4, 4)} for _ in range(2)]
    return chain(
        PHOTO,
        act("quantized_relu_po2(4,4)"),
        conv(128, 3, **powers[0]),
        act("ternary()"),
        stock.MaxPooling2D(2, 2),
        conv(256, 3, **powers[1]),
        act("quantized_relu(6,2)"),
        stock.MaxPooling2D(2, 2),
        conv(128, 3),
        act("quantized_relu(4,2)"),
        stock.MaxPooling2D(2, 2),
        stock.Flatten(),
        _mu_law(),
        softmax(),
    )


def mnist_dense() -> Keras:
    """Two dense layers, one of them ternary."""
    return chain(
        (784,),
        act("quantized_relu(4)"),
        dense(100, kernel_quantizer=qkeras.ternary()),
        act("quantized_relu(2)"),
        dense(10),
        softmax(),
    )


_SOFTMAX: Final = ("softmax",)
_NORMALIZED: Final = ("bn_0", "bn_1", "bn_2", "q_dense", "softmax")
EXAMPLES: Final = (
    Example("examples/example_mnist", mnist, _SOFTMAX),
    Example("examples/example_mnist", mnist_saved_quantized, _SOFTMAX, trained=saved_quantized),
    Example("tests/qconvolutional_test", mnist_in_sequence, _SOFTMAX),
    Example("examples/example_mnist_po2", mnist_po2, _SOFTMAX),
    Example("examples/example_mnist_b2t", mnist_thermometer, _SOFTMAX),
    Example("examples/example_mnist_b2t", mnist_pixels, _SOFTMAX),
    Example("examples/example_mnist_bn", mnist_normalized, impossible="AssertionError"),
    Example("examples/example_mnist_bn", mnist_normalized_by_itself, _NORMALIZED),
    Example("examples/example_mnist_ae", mnist_autoencoder, ("sigmoid",)),
    Example(
        "examples/example_mnist_prune",
        mnist_pruned,
        ("prune_low_magnitude_softmax",),
        trained=sparse,
    ),
    Example("examples/example_mnist_prune", mnist_pruned_layers, _SOFTMAX, trained=sparse),
    Example("examples/example_cifar10_po2", cifar10_po2, ("q_dense", "softmax")),
    Example("examples/example_qdense", mnist_dense, _SOFTMAX),
)
