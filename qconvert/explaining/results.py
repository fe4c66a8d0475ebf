"""One number of a layer, explained, as data.

Indices have no batch axis unless the value itself has none. Numbers are those of float32, as
Python's floats; what is exact are integers in steps of a power of two, or fractions.
"""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import TypeAlias

from qconvert.ir import Quantizer, Shape

Index: TypeAlias = tuple[int, ...]


class Agreement(Enum):
    """What float32 made of an exact number."""

    EXACT = "float32 holds this number"
    ROUNDED = "this number, rounded once to float32"
    DIFFERENT = "float32 rounds on the way, in some order"


@dataclass(frozen=True, slots=True)
class Element:
    """One number of a value: an input of the model, a layer's result, or one inside of a layer.

    Of ``padding`` the index is where it would be, and the number is 0.
    """

    value: str
    index: Index
    number: float
    padding: bool = False


@dataclass(frozen=True, slots=True)
class WeightElement:
    """One weight, as the layer computes with it and as ``get_weights()`` returns it.

    ``index`` is that of Keras's variable ``role``, whose ``shape`` it is; ``raw`` is ``None`` where
    no variable holds it.
    """

    role: str
    index: Index
    effective: float
    raw: float | None
    shape: Index


@dataclass(frozen=True, slots=True)
class Term:
    """A product of a sum, and the sum up to here, in the steps of the sum."""

    x: Element
    factor: WeightElement | Element | None
    product: int
    partial: int


@dataclass(frozen=True, slots=True)
class Sum:
    """``(sum of x * factor, + bias) / divisor``: a dense layer, a convolution, a mean.

    Numbers x are multiples of ``2**x_exp``, factors of ``2**factor_exp``, products of ``2**exp``.
    ``proof`` says why every order of float32 additions returns the same, for whatever inputs;
    ``doubt`` why that is not known. Where float32 rounds on the way, ``bound`` is how far from
    ``exact`` it can end, in every order.
    """

    terms: tuple[Term, ...]
    x_exp: int
    factor_exp: int
    exp: int
    bias: WeightElement | None
    divisor: int
    exact: Fraction
    agreement: Agreement
    proof: str | None = None
    doubt: str | None = None
    bound: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """What is done to a number, by which other one, and what is exact after it."""

    sign: str
    label: str
    number: float
    source: Element | WeightElement | None
    after: Fraction


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Additions, products and divisions of single numbers, one after the other.

    ``bound`` is that of `Sum`, in this order.
    """

    start: Element | WeightElement
    operations: tuple[Operation, ...]
    agreement: Agreement
    bound: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The largest or the smallest of some numbers; ``winner`` is the first that is it."""

    kind: str
    candidates: tuple[Element, ...]
    winner: int
    equal: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A number that is moved, not computed; ``source`` is ``None`` for a 0 that is put there.

    ``by`` is the number that decides which one is taken.
    """

    source: Element | WeightElement | None
    by: Element | None = None


@dataclass(frozen=True, slots=True)
class Rounded:
    """What a quantizer makes of a number.

    ``code * 2**exp`` is the result, if it lies on a grid with codes from ``lo`` to ``hi``;
    ``position`` is where among the codes the number lies before it is rounded, half to even.
    """

    quantizer: Quantizer
    before: Element
    code: int | None = None
    exp: int | None = None
    lo: int | None = None
    hi: int | None = None
    position: Fraction | None = None

    @property
    def saturated(self) -> bool:
        """Whether no code is as low or as high as the number."""
        if self.position is None or self.lo is None or self.hi is None:
            return False
        return not self.lo <= round(self.position) <= self.hi

    @property
    def tie(self) -> bool:
        """Whether the number lies exactly between two codes."""
        return self.position is not None and not self.saturated and self.position.denominator == 2


@dataclass(frozen=True, slots=True)
class Applied:
    """A function of some numbers, written ``function``; ``along`` are all on which it depends.

    ``doubt`` says why programs may round it in different ways.
    """

    function: str
    of: tuple[Element, ...]
    along: tuple[Element, ...] = ()
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """Step number ``step`` of ``count``, from 0 on, of a recurrent layer, at ``time`` of it.

    ``before`` are the same element of each state before the step, ``after`` those after it;
    ``steps`` are computed within.
    """

    step: int
    count: int
    time: int
    before: tuple[Element, ...]
    after: tuple[Element, ...]
    steps: "tuple[Step, ...]"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A layer that another converter knows, and the reference does not."""

    converter: str


Reason: TypeAlias = Sum | Arithmetic | Choice | Taken | Rounded | Applied | Loop | Unknown


@dataclass(frozen=True, slots=True)
class Step:
    """One operation inside of a layer: why ``result`` is what it is.

    ``raw`` is what it would be with what ``get_weights()`` returns.
    """

    operation: str
    result: Element
    reason: Reason
    raw: float | None = None


@dataclass(frozen=True, slots=True)
class RawWeight:
    """How many numbers of a variable are others in the layer than in ``get_weights()``.

    ``folded`` tells that a batch normalization is multiplied into them first.
    """

    role: str
    size: int
    differing: int
    quantizer: Quantizer | None
    folded: bool


@dataclass(frozen=True, slots=True)
class Raw:
    """What the layer would return with what ``get_weights()`` returns; ``None`` if unknown."""

    value: float | None
    weights: tuple[RawWeight, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """What a program returns for the element, or why it says nothing."""

    witness: str
    value: float | None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """One element of a layer's result, ``value`` at ``index``: all that it is computed from.

    ``chosen`` tells that the caller named no index; ``sample`` says where the inputs come from.
    ``raw`` is ``None`` for a layer without weights.
    """

    model: str
    sha256: str
    layer: str
    class_name: str
    shape: Shape
    index: Index
    chosen: bool
    sample: str
    value: float
    steps: tuple[Step, ...]
    raw: Raw | None
    notes: tuple[str, ...] = ()
    witnesses: tuple[Statement, ...] = ()
