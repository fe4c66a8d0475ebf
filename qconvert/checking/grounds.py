"""What a verdict rests on: a proof, or how far correct programs can be apart."""

from dataclasses import dataclass
from enum import Enum


class Method(Enum):
    """How a layer is proven; the last in this order that any of its operations needs."""

    ALGEBRAIC = "algebraic"
    CODES = "codes"
    ENUMERATED = "enumerated"


@dataclass(frozen=True, slots=True)
class Proof:
    """Why all correct programs agree about a layer.

    ``bits`` of 24 are those that its largest sum takes; of the ``states`` that were tabulated
    ``near`` ones lie next to a quantizer's boundary. ``numbers`` are those that quantizers were
    tried on by themselves.
    """

    method: Method
    arguments: tuple[str, ...]
    bits: int | None = None
    assumptions: tuple[str, ...] = ()
    states: int = 0
    near: int = 0
    numbers: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """One channel's numbers in some values, by their names in the graph."""

    channel: int
    values: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """How far correct programs can be from one another, from equal inputs of the layer.

    ``largest`` is the distance at most, ``None`` if it depends on numbers of no known range;
    it occurs in ``near`` of ``states`` alone, where these were tabulated, such as in ``example``.
    """

    largest: float | None = None
    steps: float | None = None
    states: int = 0
    near: int = 0
    example: State | None = None
