"""The networks that QKeras's tests and examples of QTools estimate, and small ones of others."""

from typing import Final

import numpy as np
import qkeras
from qkeras.codebook import weight_compression
from tf_keras import Input, Model
from tf_keras import layers as stock

from scripts.examples.example import Example, Keras, act, chain, conv, dense, signed, softmax


def energy() -> Keras:
    """A binary layer, and two of four bits."""
    binary = {"kernel_quantizer": qkeras.binary(), "bias_quantizer": qkeras.binary()}
    relu = "quantized_relu(4,0)"
    return chain((784,), dense(300, **binary), act(relu), dense(100), act(relu), dense(10))


def hybrid() -> Keras:
    """A float layer before quantized ones."""
    return _hybrid(signed, 4)


def hybrid_of_powers() -> Keras:
    """A float layer before layers of powers of two."""
    return _hybrid(qkeras.quantized_po2, 4)


def _hybrid(quantizer: Keras, bits: int) -> Keras:
    def of(units: int) -> Keras:
        return dense(units, kernel_quantizer=quantizer(bits), bias_quantizer=quantizer(bits))

    first = stock.Dense(300, activation="relu", name="float")
    return chain((784,), first, of(100), act("quantized_relu(4,0)"), of(10), softmax())


def fork() -> Keras:
    """Two outputs of one trunk, whose layers have activations of their own."""
    source = Input((23,))
    x = _five(10, qkeras.quantized_po2(3, 1))(source)
    x = act("quantized_relu(4)")(_five(20, qkeras.quantized_relu(6, 2))(x))
    binary = {"kernel_quantizer": qkeras.binary(), "bias_quantizer": qkeras.binary()}
    return Model(source, [dense(30, **binary)(x), act("quantized_relu(6,2)")(x)])


def _five(units: int, activation: Keras) -> Keras:
    weights = {"kernel_quantizer": signed(5), "bias_quantizer": signed(5)}
    return dense(units, activation=activation, **weights)


def strided() -> Keras:
    """Convolutions in each other, the first binary with a ternary bias."""
    first = {"kernel_quantizer": qkeras.binary(), "bias_quantizer": qkeras.ternary()}
    return chain(
        (23, 23, 1),
        act("quantized_relu(4)"),
        conv(16, 2, 2, **first),
        conv(8, 2, 2, activation=qkeras.quantized_relu(6, 2)),
        conv(2, 2, 2, activation=qkeras.quantized_relu(6, 2)),
        act("quantized_bits(6, 0, 1)"),
    )


def bits_behind_powers() -> Keras:
    """Four bits behind an activation of powers of two."""
    return chain((23, 23, 1), act("quantized_relu_po2(3, 2)"), conv(16, 2, 2))


def powers_before_bits() -> Keras:
    """A kernel of powers of two whose largest is 0."""
    first = conv(16, 2, 2, kernel_quantizer=_powers(5, 0), bias_quantizer=_powers(5, 0))
    last = conv(10, 2, 2, kernel_quantizer=signed(5, 2), bias_quantizer=signed(5, 2))
    return chain((23, 23, 1), first, act("quantized_relu_po2(3, 2)"), last)


def powers_before_bits_in_range() -> Keras:
    """The same with a largest that has a logarithm."""
    first = conv(16, 2, 2, kernel_quantizer=_powers(5, 1), bias_quantizer=_powers(5, 1))
    last = conv(10, 2, 2, kernel_quantizer=signed(5, 2), bias_quantizer=signed(5, 2))
    return chain((23, 23, 1), first, act("quantized_relu_po2(3, 2)"), last)


def _powers(bits: int, largest: float) -> Keras:
    return qkeras.quantized_po2(bits, largest)


def relu_kernels() -> Keras:
    """Kernels of positive powers of two."""
    weights = {
        name: qkeras.quantized_relu_po2(4, 2) for name in ("kernel_quantizer", "bias_quantizer")
    }
    return chain((23, 23, 1), act("quantized_bits(6, 0, 1)"), conv(16, 2, 2, **weights))


def normalized_binary() -> Keras:
    """A normalization by powers of two of a binary activation."""
    return _normalized(qkeras.quantized_relu_po2(4, 2), qkeras.quantized_relu_po2(4, 2))


def normalized_by_ternary() -> Keras:
    """A normalization by ternary numbers, which QTools does not take."""
    shared = qkeras.ternary()
    return _normalized(shared, shared)


def _normalized(gamma: Keras, variance: Keras) -> Keras:
    normalization = qkeras.QBatchNormalization(
        gamma_quantizer=gamma,
        variance_quantizer=variance,
        beta_quantizer=None,
        mean_quantizer=None,
        name="bn",
    )
    return chain((23, 23, 1), act("binary(use_01=0)"), normalization)


def normalized_between() -> Keras:
    """A mu-law kernel, a normalization without gamma and beta, and powers of two."""
    first = conv(
        4, 2, 23, kernel_quantizer=qkeras.quantized_ulaw(4, 1, 1), use_bias=False, name="first"
    )
    normalization = qkeras.QBatchNormalization(
        gamma_quantizer=qkeras.quantized_relu_po2(3, 2),
        variance_quantizer=qkeras.quantized_po2(3, 2, quadratic_approximation=False),
        beta_quantizer=signed(6),
        scale=False,
        center=False,
        name="bn",
    )
    last = conv(2, 1, kernel_quantizer=_powers(3, 1), bias_quantizer=_powers(3, 2), name="last")
    return chain((23, 23, 1), first, normalization, last)


def merged() -> Keras:
    """Three inputs, and the sum, product and maximum of what is made of them."""
    sources = [Input((size,)) for size in (16, 32, 64)]
    activations = (signed(4), qkeras.quantized_bits(5, 0, 0), signed(6))
    xs = [_five(8, a)(x) for x, a in zip(sources, activations, strict=True)]
    kinds = (stock.Add, stock.Multiply, stock.Maximum, stock.Minimum, stock.Average)
    return Model(sources, [kind(name=kind.__name__.lower())(xs) for kind in kinds])


def concatenated() -> Keras:
    """Three inputs, convolved and concatenated."""
    sources = [Input((16, 16, 1)) for _ in range(3)]
    xs = []
    for number, (x, filters) in enumerate(zip(sources, (16, 32, 64), strict=True)):
        bits = 4 + number
        weights = {"kernel_quantizer": signed(bits), "bias_quantizer": signed(bits)}
        xs.append(conv(filters, 2, 2, **weights)(x))
    return Model(sources, stock.Concatenate()(xs))


def averaged() -> Keras:
    """Float averages, of which the last has as many terms as the map."""
    return chain((16, 16, 3), stock.AveragePooling2D(2), stock.GlobalAveragePooling2D())


def reshaped() -> Keras:
    """A reshape and a pooling before weights of 0 and 1."""
    weights = {name: qkeras.binary(use_01=1) for name in ("kernel_quantizer", "bias_quantizer")}
    last = dense(30, activation=qkeras.quantized_po2(3, 2), **weights)
    reshape = stock.Reshape((144, 4, 1))
    first = act("quantized_bits(6, 0, 1)")
    return chain((24, 24, 1), first, reshape, stock.MaxPooling2D(2), stock.Flatten(), last)


def codebook() -> Keras:
    """A convolution whose kernel is stored as indices into tables."""
    relu = act("quantized_relu(4,2)")
    return chain((16, 16, 1), conv(4, 3, name="coded"), relu, stock.Flatten(), dense(3))


def _coded(model: Keras) -> Keras:
    """With eight values a channel, quantized already."""
    layer = model.get_layer("coded")
    kernel, bias = layer.get_weights()
    index, values = weight_compression(kernel, 3, 3, signed(4, alpha="auto_po2"))
    channels = [values[channel][index[..., channel]] for channel in range(kernel.shape[-1])]
    layer.set_weights([np.stack(channels, -1), bias])
    return model


_TOOLS: Final = "tests/qtools_model_test"
_END: Final = ("softmax",)
EXAMPLES: Final = (
    Example(_TOOLS, energy),
    Example("qtools/example_get_energy", hybrid, ("float", "q_dense", *_END)),
    Example("qtools/example_generate_json", hybrid_of_powers, ("float", "q_dense", *_END)),
    *(Example(_TOOLS, build) for build in (fork, strided, bits_behind_powers)),
    Example(_TOOLS, powers_before_bits, refused="max_value=0.0 is not positive"),
    Example(_TOOLS, powers_before_bits_in_range),
    Example(_TOOLS, relu_kernels),
    Example(_TOOLS, normalized_binary, ("bn",)),
    Example(_TOOLS, normalized_by_ternary, ("bn",)),
    Example(_TOOLS, normalized_between, ("first", "bn", "last")),
    *(Example(_TOOLS, build) for build in (merged, concatenated, averaged, reshaped)),
    Example("tests/codebook_test", codebook, trained=_coded),
)
