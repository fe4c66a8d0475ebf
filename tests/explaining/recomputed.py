"""Whether an explanation adds up, computed anew from what it shows."""

import math
from collections.abc import Iterator
from fractions import Fraction

from qconvert.explaining import (
    Agreement,
    Arithmetic,
    Choice,
    Element,
    Loop,
    Rounded,
    Step,
    Sum,
    Taken,
    WeightElement,
)

#: Of one rounding.
UNIT = Fraction(1, 1 << 24)


def faults(steps: tuple[Step, ...]) -> Iterator[str]:
    """What is wrong in the explanation of a layer."""
    for step in steps:
        yield from (f"{step.operation}: {fault}" for fault in _of(step))


def _of(step: Step) -> Iterator[str]:
    result, why = step.result.number, step.reason
    match why:
        case Sum():
            yield from _of_sum(why, result)
        case Arithmetic(start=start, operations=operations):
            exact = operations[-1].after if operations else Fraction(number(start))
            numbers = [Fraction(number(start)), *(each.after for each in operations)]
            given = [Fraction(each.number) for each in operations]
            size = sum(map(abs, [*numbers, *given]), Fraction(0))
            yield from _of_rounding(exact, result, why.agreement, len(numbers), size)
        case Choice(candidates=candidates, winner=winner, kind=kind, equal=equal):
            numbers_of = [each.number for each in candidates]
            best = max(numbers_of) if kind == "largest" else min(numbers_of)
            if not best == candidates[winner].number == result or numbers_of.count(best) != equal:
                yield f"{best} is chosen, not {result}"
        case Taken(source=source):
            if number(source) != result and not math.isnan(result):
                yield f"{number(source)} is taken, and {result} returned"
        case Rounded(code=code, exp=exp, position=position) if code is not None:
            assert exp is not None and why.lo is not None and why.hi is not None
            if code * Fraction(2) ** exp != Fraction(result):
                yield f"code {code} is not {result}"
            if position is not None and code != min(max(round(position), why.lo), why.hi):
                yield f"{float(position)} steps are no code {code}"
        case Loop(steps=steps, after=after):
            if not any(each.number == result for each in after):
                yield f"no state after the step is {result}"
            yield from faults(steps)
        case _:
            pass


def _of_sum(why: Sum, result: float) -> Iterator[str]:
    step, total, size = Fraction(2) ** why.exp, Fraction(0), Fraction(0)
    for term in why.terms:
        product = Fraction(term.x.number) * Fraction(number(term.factor, 1.0))
        total += product
        size += abs(product)
        if term.product * step != product or term.partial * step != total:
            yield f"the product {float(product)} or the sum {float(total)} is another one"
    if why.bias is not None:
        total += Fraction(why.bias.effective)
        size += abs(Fraction(why.bias.effective))
    if total / why.divisor != why.exact:
        yield f"the sum is {float(total / why.divisor)}, not {float(why.exact)}"
    if why.proof and why.agreement is not Agreement.EXACT:
        yield "what is proven is not exact"
    yield from _of_rounding(why.exact, result, why.agreement, len(why.terms) + 2, size)


def _of_rounding(
    exact: Fraction, result: float, agreement: Agreement, count: int, size: Fraction
) -> Iterator[str]:
    distance = abs(Fraction(result) - exact)
    if (agreement is Agreement.EXACT) != (distance == 0):
        yield f"{agreement.name}, and {float(distance)} apart"
    if distance > count * UNIT * size * 2:
        yield f"{result} is not {float(exact)}, whatever is rounded"


def number(one: Element | WeightElement | None, otherwise: float = 0.0) -> float:
    """What is computed with."""
    match one:
        case None:
            return otherwise
        case WeightElement(effective=effective):
            return effective
        case _:
            return one.number
