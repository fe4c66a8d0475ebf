"""Numbers, indices and elements as text."""

from decimal import ROUND_UP, Context, Decimal
from fractions import Fraction
from typing import Final

import numpy as np

from qconvert.explaining import Element, Index, WeightElement

#: Digits up to which numbers are written in full.
_FEW: Final = 16
_UPWARDS: Final = Context(prec=2, rounding=ROUND_UP)


def float32(number: float) -> str:
    """The number itself, if that is short; else the shortest text that reads back as it."""
    whole = repr(float(number))
    shown = whole if len(whole) <= _FEW else str(np.float32(number))
    return shown.removesuffix(".0")


def fraction(exact: Fraction) -> str:
    """An exact number as a decimal; ``≈`` where float64 has to round it."""
    close = float(exact)
    shown = repr(close).removesuffix(".0")
    return shown if Fraction(close) == exact else f"≈{shown}"


def at_most(bound: Fraction) -> str:
    """Two digits, rounded up: no less than the bound itself."""
    return f"{_UPWARDS.divide(Decimal(bound.numerator), Decimal(bound.denominator)):.1e}"


def apart(a: float, b: float) -> int:
    """How many float32 numbers further *b* is than *a*, in either direction; both are finite."""
    ordered = []
    for number in (a, b):
        bits = int(np.float32(number).view(np.int32))
        ordered.append(bits if bits >= 0 else -(bits & 0x7FFFFFFF))
    return abs(ordered[0] - ordered[1])


def index(at: Index) -> str:
    """An index as in Python."""
    return f"[{','.join(map(str, at))}]"


def element(one: Element) -> str:
    """The value's name and the index."""
    return f"{one.value}{index(one.index)}"


def weight(one: WeightElement) -> str:
    """The variable's name and the index."""
    return f"{one.role}{index(one.index)}"


def named(one: Element | WeightElement) -> str:
    """Either of them."""
    return weight(one) if isinstance(one, WeightElement) else element(one)


def number_of(one: Element | WeightElement) -> float:
    """What is computed with."""
    return one.effective if isinstance(one, WeightElement) else one.number


def step(exp: int) -> str:
    """The length of a step."""
    return f"2**{exp}"


def many(count: int, what: str) -> str:
    """``1 product``, ``2 products``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
