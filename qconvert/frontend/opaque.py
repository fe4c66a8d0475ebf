"""Stock Keras layers that no parser knows: another converter may take one, if it is asked to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from qconvert.frontend.call import Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.problems import Blocked, Unsupported, short
from qconvert.frontend.weights import Weights, weight
from qconvert.ir.ops import Opaque
from qconvert.ir.shapes import Shape
from qconvert.modelfile import StoredWeight

#: Layers of Keras's own without a parser whose result follows from inputs and weights alone: no
#: state, no masks, no chance, no texts, no further layers, no code of the file.
STOCK: Final = frozenset(
    {
        "CategoryEncoding",
        "CenterCrop",
        "DepthwiseConv1D",
        "Discretization",
        "EinsumDense",
        "GroupNormalization",
        "LocallyConnected1D",
        "LocallyConnected2D",
    }
)
#: What Keras adds to every configuration, and what has an effect in training only.
_INERT: Final = ("batch_input_shape", "dtype", "name", "trainable")
_INERT_SUFFIXES: Final = ("_initializer", "_regularizer", "_constraint")


@dataclass(frozen=True, slots=True, eq=False)
class StockLayer:
    """One call of a stock layer, to be converted; ``config`` holds no objects."""

    class_name: str
    config: Mapping[str, object]
    shapes: tuple[Shape, ...]
    weights: tuple[StoredWeight, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """The layer's op, and what Keras calls each weight: ``None`` for those of inner layers."""

    op: Opaque
    roles: tuple[str | None, ...]


#: Raises `Unsupported` for layers that it cannot convert.
Converter: TypeAlias = Callable[[StockLayer], Converted]


def parse_opaque(
    class_name: str,
    config: Mapping[str, object],
    shapes: tuple[Shape | None, ...],
    stored: tuple[StoredWeight, ...],
    convert: Converter,
) -> Parsed:
    """One call of a layer of the class *class_name*, which is in `STOCK`."""
    _require_float32(config)
    known = tuple(shape for shape in shapes if shape is not None)
    if len(known) < len(shapes):
        raise Blocked
    found = convert(StockLayer(class_name, _plain(config), known, stored))
    weights = Weights(stored)
    named = {role: weights.raw(i) for i, role in enumerate(found.roles) if role}
    return Parsed((found.op,), {role: weight(raw, None) for role, raw in named.items()})


def _require_float32(config: Mapping[str, object]) -> None:
    checked = Config({key: config[key] for key in ("dtype",) if key in config})
    checked.done()


def _plain(config: Mapping[str, object]) -> dict[str, object]:
    """The options that matter, none of which may be an object: those can be anybody's code."""
    kept = {
        key: value
        for key, value in config.items()
        if key not in _INERT and not key.endswith(_INERT_SUFFIXES)
    }
    objects = [f"{k}={short(v)}" for k, v in kept.items() if _holds_object(v)]
    if objects:
        raise Unsupported(*(f"{each} is an object, which is not handed on" for each in objects))
    return kept


def _holds_object(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_object, value))
    return isinstance(value, dict)
