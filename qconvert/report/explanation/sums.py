"""Sums of products as tables: in fixed point where the integers are short, else as decimals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from qconvert.explaining import Agreement, Element, Sum, WeightElement
from qconvert.explaining.exact import code, dyadic
from qconvert.report.explanation.numbers import (
    at_most,
    element,
    float32,
    fraction,
    many,
    named,
    number_of,
    step,
)
from qconvert.report.explanation.sections import Line, Row, Section, Table, Tone

#: Beyond these integers decimals are easier to read.
_SHORT: Final = 1 << 31
_PADDING: Final = "padding"


def section_of_sum(title: str, why: Sum, result: float, most: int | None) -> Section:
    """The terms, the bias, and what float32 makes of their sum."""
    form = _Form(why, _is_fixed(why))
    header = form.header
    numeric = frozenset(i for i, name in enumerate(header) if name not in ("input", "times"))
    table = Table(header, tuple(_rows(form, most)), numeric)
    return Section(title, tuple(_before(form)), table, tuple(_after(why, result)))


def shown(sizes: Sequence[float], most: int | None) -> list[int]:
    """Which of some things are shown: all, or the *most* largest, in their order."""
    if most is None or len(sizes) <= most:
        return list(range(len(sizes)))
    largest = sorted(range(len(sizes)), key=lambda i: -abs(sizes[i]))
    return sorted(largest[:most])


def _is_fixed(why: Sum) -> bool:
    last = int(why.exact * why.divisor / dyadic(1, why.exp))
    numbers = [last, *(n for term in why.terms for n in (term.product, term.partial))]
    return max(map(abs, numbers)) < _SHORT


@dataclass(frozen=True, slots=True)
class _Form:
    """How a sum is written: with codes if it is ``fixed``."""

    why: Sum
    fixed: bool

    @property
    def factors(self) -> bool:
        """Whether it is one of products."""
        return any(term.factor is not None for term in self.why.terms)

    @property
    def weights(self) -> bool:
        """Whether these are products with weights."""
        return any(isinstance(term.factor, WeightElement) for term in self.why.terms)

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns."""
        codes = ("code",) * self.fixed
        number = ("get_weights()", "weight") if self.weights else ("number",)
        times = ("times", *number, *codes, "product") if self.factors else ()
        return ("input", "x", *codes, *times, "sum")

    def row(self, name: str, x: str, x_code: str, times: tuple[str, ...], total: int) -> Row:
        """One line of the table; *times* has all columns of the factor and of the product."""
        tone = Tone.MUTED if x == _PADDING else Tone.PLAIN
        codes = (x_code,) * self.fixed
        return Row((name, x, *codes, *times, self.amount(total)), tone)

    def times(self, factor: WeightElement | Element, product: int) -> tuple[str, ...]:
        """Name, as it is stored, as it counts, its code, and the product."""
        number = number_of(factor)
        codes = (str(code(number, self.why.factor_exp)),) if self.fixed else ()
        stored = (_stored(factor),) if isinstance(factor, WeightElement) else ()
        return (named(factor), *stored, float32(number), *codes, self.amount(product))

    def amount(self, steps: int) -> str:
        """A product or a sum."""
        return str(steps) if self.fixed else fraction(dyadic(steps, self.why.exp))


def _before(form: _Form) -> Iterator[Line]:
    why = form.why
    padding = sum(term.x.padding for term in why.terms)
    of = many(len(why.terms), "product" if form.factors else "number")
    bias = " and the bias" if why.bias else ""
    divided = f", divided by {why.divisor}" if why.divisor != 1 else ""
    beside = f"; {padding} of the inputs are padding" if padding else ""
    yield Line(f"The sum of {of}{bias}{divided}{beside}.")
    if form.fixed and form.factors:
        yield Line(
            f"Codes of x are in steps of {step(why.x_exp)}, those behind in steps of "
            f"{step(why.factor_exp)}, products and sums in steps of {step(why.exp)}.",
            Tone.MUTED,
        )
    elif form.fixed:
        yield Line(f"Codes and sums are in steps of {step(why.exp)}.", Tone.MUTED)


def _rows(form: _Form, most: int | None) -> Iterator[Row]:
    why = form.why
    kept = shown([term.product for term in why.terms], most)
    for term in (why.terms[i] for i in kept):
        x = _PADDING if term.x.padding else float32(term.x.number)
        x_code = "" if term.x.padding else str(code(term.x.number, why.x_exp) if form.fixed else "")
        times = () if term.factor is None else form.times(term.factor, term.product)
        yield form.row(element(term.x), x, x_code, times, term.partial)
    if len(kept) < len(why.terms):
        yield _left_out(form, set(kept))
    if why.bias is not None:
        yield _of_bias(form, why.bias)


def _of_bias(form: _Form, bias: WeightElement) -> Row:
    """It is a product with 1, and has no code of its own: it may be finer than weights are."""
    why = form.why
    total = int(why.exact * why.divisor / dyadic(1, why.exp))
    counts = (float32(bias.effective), *("",) * form.fixed)
    amount = form.amount(code(bias.effective, why.exp))
    return form.row("bias", "", "", (named(bias), _stored(bias), *counts, amount), total)


def _stored(weight: WeightElement) -> str:
    return "" if weight.raw is None else float32(weight.raw)


def _left_out(form: _Form, kept: set[int]) -> Row:
    rest = [term for i, term in enumerate(form.why.terms) if i not in kept]
    zeros = sum(not term.product for term in rest)
    total = form.amount(sum(term.product for term in rest))
    text = f"and {len(rest)} more, {zeros} of them 0; together {total}"
    return Row((text, *("",) * (len(form.header) - 1)), Tone.MUTED)


def _after(why: Sum, result: float) -> Iterator[Line]:
    exact = fraction(why.exact)
    if why.agreement is not Agreement.EXACT:
        yield of_agreement(why.agreement, exact, result, why.bound, "in whatever order")
    elif why.proof:
        told = f"{exact} is exact, and float32 returns it for every input and in every order"
        yield Line(f"{told}: {why.proof}.", Tone.GOOD)
    else:
        doubt = f"; not proven for others: {why.doubt}" if why.doubt else ""
        yield Line(f"{exact} is exact, and float32 returns it for this input{doubt}.", Tone.GOOD)


def of_agreement(
    agreement: Agreement, exact: str, result: float, bound: Fraction | None, order: str
) -> Line:
    """What float32 made of an exact number, and how far it can end from it in which *order*."""
    match agreement:
        case Agreement.EXACT:
            return Line(f"Exactly {exact}, and float32 holds it.", Tone.GOOD)
        case Agreement.ROUNDED:
            text = f"The exact number is {exact}; rounded once, float32 has {float32(result)}."
            return Line(text)
        case Agreement.DIFFERENT:
            text = (
                f"float32 rounds on the way, in some order: the exact number is {exact}, and NumPy "
                f"gets {float32(result)}"
            )
            if bound is None:
                return Line(f"{text}.", Tone.WARN)
            most = f"no correct program, {order}, is more than {at_most(bound)} from the exact one"
            return Line(f"{text}; {most}.", Tone.WARN)
