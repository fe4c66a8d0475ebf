"""What the rows of a table of layers are made of.

A `Family` is a Keras class, the shapes that it takes (without the batch axis) and the arguments
that all its cases share; each case adds the options that it is about.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Options: TypeAlias = Mapping[str, Any]
Shape: TypeAlias = tuple[int, ...]
#: Keras's layers and tensors have no types.
Keras: TypeAlias = Any
Call: TypeAlias = Callable[[Keras, list[Keras]], Keras]


@dataclass(frozen=True, slots=True)
class Family:
    """The cases of one class."""

    class_name: str
    shapes: tuple[Shape, ...]
    cases: tuple[Options, ...] = ({},)
    shared: Options = field(default_factory=dict)
    #: How a layer is called on its tensors; all of them, if nothing else is said.
    call: Call | None = None
    #: Whether inputs are whole numbers, of rows in a table.
    rows: bool = False
    #: Whether the first case is there once more, on one channel of numbers that nobody quantized.
    alone: bool = True
    #: Whether it is behind a layer that masks steps of zeros.
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Inner:
    """A layer as an argument of a layer."""

    class_name: str
    options: Options

    def __repr__(self) -> str:
        return f"{self.class_name}(...)"


VECTOR: Final[tuple[Shape, ...]] = ((7,),)
SERIES: Final[tuple[Shape, ...]] = ((9, 3),)
IMAGE: Final[tuple[Shape, ...]] = ((7, 6, 4),)
VOLUME: Final[tuple[Shape, ...]] = ((5, 4, 6, 2),)
BITS: Final = "quantized_bits(4, 0, alpha=1)"
WIDE: Final = "quantized_bits(8, 3, alpha=1)"
KERNEL: Final[dict[str, Any]] = {"kernel_quantizer": BITS, "bias_quantizer": WIDE}
DEPTHWISE: Final[dict[str, Any]] = {"depthwise_quantizer": BITS, "bias_quantizer": WIDE}
SEPARABLE: Final[dict[str, Any]] = DEPTHWISE | {"pointwise_quantizer": BITS}


def several(names: str, shapes: tuple[Shape, ...], *cases: Options) -> tuple[Family, ...]:
    """Several classes with the same cases."""
    return tuple(Family(name, shapes, cases or ({},)) for name in names.split())
