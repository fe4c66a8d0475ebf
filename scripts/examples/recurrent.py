"""The networks of QKeras's tests of recurrent layers and of its tutorial about them."""

from typing import Final

import qkeras
from tf_keras import Input, Model, Sequential
from tf_keras import layers as stock

from scripts.examples.converting import Choice, quantized
from scripts.examples.example import Example, Keras, chain, dense, signed, softmax

_GATED: Final = ("LSTM", "GRU")
_PARTS: Final = ("kernel", "recurrent", "bias", "state")


def _recurrent(kind: str) -> Keras:
    """Eight bits, and four for the state."""
    layer = getattr(qkeras, f"Q{kind}")(
        16,
        activation=qkeras.quantized_tanh(bits=8),
        kernel_quantizer=signed(8, alpha=1.0),
        recurrent_quantizer=signed(8, alpha=1.0),
        bias_quantizer=signed(8, alpha=1.0),
        state_quantizer=signed(4, alpha=1.0),
    )
    return chain((2, 4), layer, dense(4, kernel_quantizer=signed(6, 2, alpha=1.0)), softmax())


def simple_rnn() -> Keras:
    """QSimpleRNN, 2 steps."""
    return _recurrent("SimpleRNN")


def lstm() -> Keras:
    """QLSTM, 2 steps."""
    return _recurrent("LSTM")


def gru() -> Keras:
    """QGRU, 2 steps."""
    return _recurrent("GRU")


def _both_ways(kind: str) -> Keras:
    """Powers of two everywhere, which have no 0, so that the first state is none either."""
    names = ("activation", *(f"{part}_quantizer" for part in _PARTS))
    layer = getattr(qkeras, f"Q{kind}")(16, **dict.fromkeys(names, "quantized_po2(8)"))
    last = dense(4, kernel_quantizer=signed(8, 2, alpha=1.0), bias_quantizer=signed(8))
    return chain((2, 4), qkeras.QBidirectional(layer), last, softmax())


def simple_rnn_both_ways() -> Keras:
    """QBidirectional of QSimpleRNN."""
    return _both_ways("SimpleRNN")


def lstm_both_ways() -> Keras:
    """QBidirectional of QLSTM."""
    return _both_ways("LSTM")


def gru_both_ways() -> Keras:
    """QBidirectional of QGRU."""
    return _both_ways("GRU")


def _one_quantizer(kind: str, quantizer: str) -> dict[str, str]:
    parts = (*_PARTS, "activation", *(("recurrent_activation",) if kind in _GATED else ()))
    return dict.fromkeys([f"{part}_quantizer" for part in parts], quantizer)


def _converted(kind: str) -> Keras:
    source = Input((16, 1))
    model = Model(source, getattr(stock, kind)(8)(source))
    return quantized(model, {f"Q{kind}": _one_quantizer(kind, "binary")})


def binary_simple_rnn() -> Keras:
    """A SimpleRNN that ``model_quantize`` made binary."""
    return _converted("SimpleRNN")


def binary_lstm() -> Keras:
    """An LSTM that ``model_quantize`` made binary."""
    return _converted("LSTM")


def binary_gru() -> Keras:
    """A GRU that ``model_quantize`` made binary."""
    return _converted("GRU")


def _converted_both_ways(kind: str) -> Keras:
    source = Input((16, 1))
    model = Model(source, stock.Bidirectional(getattr(stock, kind)(8))(source))
    return quantized(model, {"QBidirectional": _one_quantizer(kind, "binary")})


def binary_simple_rnn_both_ways() -> Keras:
    """A bidirectional SimpleRNN that ``model_quantize`` made binary."""
    return _converted_both_ways("SimpleRNN")


def binary_lstm_both_ways() -> Keras:
    """A bidirectional LSTM that ``model_quantize`` made binary."""
    return _converted_both_ways("LSTM")


def binary_gru_both_ways() -> Keras:
    """A bidirectional GRU that ``model_quantize`` made binary."""
    return _converted_both_ways("GRU")


def lstm_after_lstm() -> Keras:
    """Binary both ways, then ternary, converted in one go."""
    both_ways = stock.Bidirectional(stock.LSTM(16, return_sequences=True))
    model = Sequential([stock.InputLayer((5, 3)), both_ways, stock.LSTM(8)])
    choice = {name: _one_quantizer("LSTM", name) for name in ("ternary", "binary")}
    return quantized(model, {"QLSTM": choice["ternary"], "QBidirectional": choice["binary"]})


def movie_reviews() -> Keras:
    """Words, made binary behind their embedding, and an LSTM of few bits."""
    source = Input((100,), dtype="int32")
    x = stock.Embedding(10_000, 64)(source)
    x = qkeras.QActivation("binary")(x)
    x = qkeras.QLSTM(
        64,
        activation="quantized_tanh(4)",
        recurrent_activation="quantized_relu(4,0,1)",
        kernel_quantizer="stochastic_ternary('auto')",
        recurrent_quantizer="quantized_bits(2,1,1,alpha=1.0)",
        bias_quantizer="quantized_bits(4,0,1)",
    )(x)
    x = dense(1, kernel_quantizer="quantized_bits(4,0,1)")(x)
    return Model(source, qkeras.QActivation("sigmoid", name="sigmoid")(x))


def movie_reviews_both_ways() -> Keras:
    """What ``model_quantize`` makes of the same network with a bidirectional LSTM."""
    source = Input((100,), dtype="int32")
    x = stock.Embedding(10_000, 64)(source)
    x = stock.Activation("linear", name="embedding_act")(x)
    x = stock.Bidirectional(stock.LSTM(64), name="bidirectional")(x)
    x = stock.Activation("sigmoid", name="sigmoid")(stock.Dense(1, name="dense")(x))
    automatic = "quantized_bits(4, alpha='auto')"
    weights = {"kernel_quantizer": automatic, "bias_quantizer": automatic}
    cell = {"activation": "quantized_tanh(4)", "recurrent_activation": "quantized_relu(4,0,1)"}
    choice: Choice = {
        "bidirectional": {**cell, **weights, "recurrent_quantizer": automatic},
        "dense": weights,
        "embedding_act": "quantized_bits(4)",
    }
    return quantized(Model(source, x), choice)


_END: Final = ("q_dense", "softmax")
_TEST: Final = "tests/qrecurrent_test"
_TUTORIAL: Final = "notebook/QRNNTutorial"
EXAMPLES: Final = (
    *(Example(_TEST, build, _END) for build in (simple_rnn, lstm, gru)),
    *(
        Example(_TEST, build, _END)
        for build in (simple_rnn_both_ways, lstm_both_ways, gru_both_ways)
    ),
    *(Example(_TEST, build) for build in (binary_simple_rnn, binary_lstm, binary_gru)),
    Example(_TEST, binary_simple_rnn_both_ways),
    Example(_TEST, binary_lstm_both_ways),
    Example(_TEST, binary_gru_both_ways),
    Example(_TEST, lstm_after_lstm),
    Example(_TUTORIAL, movie_reviews, ("sigmoid",)),
    Example(_TUTORIAL, movie_reviews_both_ways, ("bidirectional", "dense", "sigmoid")),
)
