"""Operations on single numbers, one after the other and without rounding."""

from collections.abc import Sequence
from fractions import Fraction
from math import isfinite
from typing import Final, NamedTuple

from qconvert.explaining.exact import TINY, agreement, farthest
from qconvert.explaining.operands import Operand
from qconvert.explaining.results import (
    Agreement,
    Arithmetic,
    Element,
    Index,
    Operation,
    WeightElement,
)
from qconvert.explaining.weights import Source
from qconvert.ir.ops import Affine, BatchNormalization, Merge
from qconvert.ir.stock import PRelu, WithConstant
from qconvert.reference.normalization import constants

SIGNS: Final = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


class Next(NamedTuple):
    """What comes next: a sign, what the other number is called, the number, and whose it is."""

    sign: str
    label: str
    number: float
    source: Element | WeightElement | None = None


def computed(
    start: Element | WeightElement, following: Sequence[Next], result: float
) -> Arithmetic | None:
    """The exact numbers on the way to *result*; ``None`` if one is not finite."""
    first = start.number if isinstance(start, Element) else start.effective
    numbers = [first, *(each.number for each in following)]
    zero = any(each.sign == "/" and not each.number for each in following)
    if zero or not all(map(isfinite, numbers)):
        return None
    exact, operations = Fraction(first), []
    for each in following:
        exact = _applied(each.sign, exact, Fraction(each.number))
        operations.append(Operation(*each, exact))
    agreed = agreement(exact, result)
    bound = _bound(Fraction(first), following) if agreed is Agreement.DIFFERENT else None
    return Arithmetic(start, tuple(operations), agreed, bound)


def _bound(first: Fraction, following: Sequence[Next]) -> Fraction | None:
    """Every operation rounds all parts of what it returns once."""
    magnitude, flushed = abs(first), Fraction(0)
    for each in following:
        number = abs(Fraction(each.number))
        if each.sign in "+-":
            magnitude += number
        else:
            magnitude, flushed = (_applied(each.sign, x, number) for x in (magnitude, flushed))
        flushed += TINY
    return farthest(magnitude, len(following), flushed)


def normalized(op: BatchNormalization, index: Index) -> list[Next]:
    """The numbers of the program that TensorFlow runs, in its order."""
    names = _names(op)
    return [
        Next(SIGNS[kind], name, float(array[index[-1]]))
        for name, (kind, array) in zip(names, constants(op), strict=True)
    ]


def affine(op: Affine, index: Index) -> list[Next]:
    """``x * factor + offset``; arrays may have one number for all channels."""
    steps = (("*", "factor", op.factor), ("+", "offset", op.offset))
    return [
        Next(sign, name, float(array[index[-1] if len(array) > 1 else 0]))
        for sign, name, array in steps
        if array is not None
    ]


def merged(op: Merge, inputs: Sequence[Operand], index: Index) -> tuple[Element, list[Next]]:
    """Operands from left to right; an average divides at the end."""
    first, *others = (x.at(x.broadcast(index)) for x in inputs)
    sign = SIGNS.get(op.kind, "+")
    following = [Next(sign, other.value, other.number, other) for other in others]
    if op.kind == "average":
        following.append(Next("/", "how many they are", float(len(inputs))))
    return first, following


def divided(inputs: Sequence[Operand], index: Index) -> tuple[Element, list[Next]]:
    """The first tensor by the second."""
    first, second = (x.at(x.broadcast(index)) for x in inputs)
    return first, [Next("/", second.value, second.number, second)]


def with_constant(
    op: WithConstant, constant: Source, x: Operand, index: Index
) -> tuple[Element | WeightElement, list[Next]]:
    """A tensor and a constant, in either order."""
    number, element = constant.at(_broadcast(op.constant.shape, index)), x.at(index)
    sign = SIGNS[op.kind]
    if not op.first:
        return element, [Next(sign, number.role, number.effective, number)]
    return number, [Next(sign, element.value, element.number, element)]


def parametric(op: PRelu, slope: Source, x: Operand, index: Index) -> tuple[Element, list[Next]]:
    """The slope counts below 0."""
    element = x.at(index)
    if element.number >= 0:
        return element, []
    factor = slope.at(_broadcast(op.slope.shape, index))
    return element, [Next("*", factor.role, factor.effective, factor)]


def _broadcast(shape: tuple[int, ...], index: Index) -> Index:
    """Where a constant, which has no batch axis, is read for an element."""
    behind = index[len(index) - len(shape) :]
    return tuple(0 if n == 1 else i for n, i in zip(shape, behind, strict=True))


def _names(op: BatchNormalization) -> tuple[str, ...]:
    """What the numbers of the programs are made of."""
    gamma = " * gamma" if op.gamma is not None else ""
    inverse = "1 / sqrt(variance + epsilon)"
    if not op.fused:
        return f"{inverse}{gamma}", "beta - mean * that" if op.beta is not None else "-mean * that"
    count = len(constants(op)) - 2
    return "mean", *([inverse, "gamma"] if count > 1 else [f"{inverse}{gamma}"]), "beta"


def _applied(sign: str, a: Fraction, b: Fraction) -> Fraction:
    match sign:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case _:
            return a / b
