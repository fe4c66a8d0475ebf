"""Stock Keras layers that no parser knows, or not with all their options.

Another converter may take one, if it is asked to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from qconvert.frontend.call import Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.heads import in_keras_order
from qconvert.frontend.problems import Blocked, Unsupported, short
from qconvert.frontend.references import Ref
from qconvert.frontend.weights import Weights, weight
from qconvert.ir.ops import Opaque
from qconvert.ir.shapes import Shape
from qconvert.modelfile import StoredWeight

#: Layers of Keras's own without a parser whose result follows from inputs and weights alone: no
#: state from batch to batch, no chance, no texts, no code of the file.
STOCK: Final = frozenset(
    {
        "CategoryEncoding",
        "ConvLSTM1D",
        "ConvLSTM2D",
        "ConvLSTM3D",
        "DepthwiseConv1D",
        "Discretization",
        "EinsumDense",
        "GroupNormalization",
        "LocallyConnected1D",
        "LocallyConnected2D",
        "RNN",
    }
)
#: Such layers with a parser, which does not know all their options.
FALLBACK: Final = frozenset(
    {
        "Activation",
        "AdditiveAttention",
        "Attention",
        "BatchNormalization",
        "Conv1D",
        "Conv2D",
        "Conv3D",
        "Dense",
        "DepthwiseConv2D",
        "Dot",
        "LayerNormalization",
        "MultiHeadAttention",
        "Normalization",
        "Rescaling",
        "Resizing",
        "SeparableConv1D",
        "SeparableConv2D",
        "Softmax",
        "TimeDistributed",
        "UnitNormalization",
        "UpSampling2D",
    }
)
TRY_OPAQUE: Final = (
    "--opaque tf2onnx (opaque='tf2onnx') has tf2onnx convert them, without a NumPy reference"
)
_MAY_TAKE: Final = "--opaque tf2onnx (opaque='tf2onnx') asks tf2onnx for it"
#: Options that are a layer themselves, and the layers that they may be.
_HELD: Final[Mapping[str, frozenset[str]]] = {
    "cell": frozenset({"GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"}),
    "cells": frozenset({"GRUCell", "LSTMCell", "SimpleRNNCell"}),
    "layer": STOCK | FALLBACK,
}
#: What Keras adds to every configuration, and what has an effect in training only.
_INERT: Final = ("batch_input_shape", "dtype", "name", "trainable")
_INERT_SUFFIXES: Final = ("_initializer", "_regularizer", "_constraint")


@dataclass(frozen=True, slots=True, eq=False)
class StockCall:
    """One call of a stock layer as it is in the file; an unknown shape is ``None``."""

    class_name: str
    config: Mapping[str, object]
    arguments: Mapping[str, object]
    shapes: tuple[Shape | None, ...]
    weights: tuple[StoredWeight, ...]
    #: Whether a mask reaches it, which no converter sees.
    masked: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class StockLayer:
    """One call of a stock layer, to be converted; ``config`` holds no objects but its layers.

    The last inputs are given by ``names``; ``arguments`` are what else the call says.
    """

    class_name: str
    config: Mapping[str, object]
    shapes: tuple[Shape, ...]
    weights: tuple[StoredWeight, ...]
    names: tuple[str, ...] = ()
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """The layer's op, and what Keras calls each weight: ``None`` for those of inner layers."""

    op: Opaque
    roles: tuple[str | None, ...]


#: Raises `Unsupported` for layers that it cannot convert.
Converter: TypeAlias = Callable[[StockLayer], Converted]


def parse_opaque(call: StockCall, convert: Converter) -> Parsed:
    """One call of a layer whose class is in `STOCK` or `FALLBACK`."""
    config, arguments = _checked(call)
    known = tuple(shape for shape in call.shapes if shape is not None)
    if len(known) < len(call.shapes):
        raise Blocked
    stored = in_keras_order(call.class_name, call.weights)
    if stored and not Weights(stored).named and "StackedRNNCells" in repr(config):
        raise Unsupported(
            "the archive does not tell which cell a weight is of; save it as .h5", code="QC502"
        )
    names = tuple(key for key, value in call.arguments.items() if isinstance(value, Ref))
    found = convert(StockLayer(call.class_name, config, known, stored, names, arguments))
    weights = Weights(stored)
    named = {role: weights.raw(i) for i, role in enumerate(found.roles) if role}
    return Parsed((found.op,), {role: weight(raw, None) for role, raw in named.items()})


def fall_back(refusal: Unsupported, call: StockCall, convert: Converter | None) -> Parsed:
    """What its parser refused, by the converter; *refusal*, with more to say, if it cannot."""
    if call.class_name not in FALLBACK or call.masked:
        raise refusal
    try:
        _checked(call)
    except Unsupported:
        raise refusal from None
    if convert is None:
        *others, last = refusal.reasons
        raise Unsupported(*others, replace(last, text=f"{last.text}; {_MAY_TAKE}"))
    try:
        return parse_opaque(call, convert)
    except Unsupported as error:
        raise Unsupported(*refusal.reasons, *error.reasons) from None


def _checked(call: StockCall) -> tuple[dict[str, object], dict[str, object]]:
    """The configuration and the arguments to hand on; `Unsupported` if that may not be."""
    return _plain(call.config), _plain_arguments(call.arguments)


def _plain_arguments(arguments: Mapping[str, object]) -> dict[str, object]:
    """Without tensors, and what says that inference is meant."""
    kept = {
        key: value
        for key, value in arguments.items()
        if not isinstance(value, Ref) and value is not None and key != "training"
    }
    odd = [f"{k}={short(v)}" for k, v in kept.items() if not isinstance(v, bool | int | float)]
    if odd:
        raise Unsupported(
            *(f"called with {each}, which is not handed on" for each in odd), code="QC340"
        )
    return kept


def _plain(config: Mapping[str, object]) -> dict[str, object]:
    """The options that matter, no object among them but a layer's layers: it can be any code."""
    Config({key: config[key] for key in ("dtype",) if key in config}).done()
    kept = {
        key: _plain_layer(key, value)
        for key, value in config.items()
        if key not in _INERT and not key.endswith(_INERT_SUFFIXES)
    }
    objects = [f"{k}={short(v)}" for k, v in kept.items() if k not in _HELD and _holds_object(v)]
    if objects:
        raise Unsupported(
            *(f"{each} is an object, which is not handed on" for each in objects), code="QC340"
        )
    return kept


def _plain_layer(key: str, value: object) -> object:
    """A layer as an option, or a list of them; any other option as it is."""
    if key not in _HELD:
        return value
    if isinstance(value, list):
        return [_plain_layer(key, each) for each in value]
    match value:
        case {"class_name": str(name), "config": dict(config), **rest} if name in _HELD[key]:
            module = str(rest.get("module") or "keras")
            if module.split(".")[0] in ("keras", "tf_keras"):
                return {"class_name": name, "config": _plain(config)}
    raise Unsupported(f"{key}={short(value)} is no layer that is handed on", code="QC340")


def _holds_object(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_object, value))
    return isinstance(value, dict)
