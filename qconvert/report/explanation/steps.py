"""A section for each operation inside of a layer."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

from qconvert.explaining import (
    Applied,
    Arithmetic,
    Choice,
    Element,
    Loop,
    Operation,
    Rounded,
    Step,
    Sum,
    Taken,
    Unknown,
    WeightElement,
)
from qconvert.report.explanation.numbers import (
    element,
    float32,
    fraction,
    many,
    named,
    number_of,
    step,
)
from qconvert.report.explanation.sections import Line, Row, Section, Table, Tone
from qconvert.report.explanation.sums import of_agreement, section_of_sum, shown
from qconvert.report.summary import describe


@dataclass(frozen=True, slots=True)
class Form:
    """How many terms are shown, ``None`` for all, and what kernels have side by side."""

    most: int | None = None
    gates: tuple[str, ...] = ()


def sections_of(steps: tuple[Step, ...], form: Form, within: str = "") -> Iterator[Section]:
    """One each, in the order of computing; a loop comes before what is computed within."""
    for one in steps:
        if isinstance(one.reason, Loop):
            yield from _of_loop(one, one.reason, form)
        else:
            yield _section(one, form, within)


def _section(one: Step, form: Form, within: str) -> Section:
    title = f"{within}{one.operation}: {element(one.result)} = {float32(one.result.number)}"
    why = one.reason
    match why:
        case Sum():
            return section_of_sum(title + _gate(why, form.gates), why, one.result.number, form.most)
        case Arithmetic():
            return _of_arithmetic(title, why, one.result.number)
        case Choice():
            return _of_choice(title, why, form.most)
        case Taken():
            return Section(title, tuple(_of_taken(why)))
        case Rounded():
            return Section(title, tuple(_of_rounded(why, one.result.number)))
        case Applied():
            return _of_applied(title, why, form.most)
        case Unknown(converter=converter):
            told = f"An opaque layer: only {converter} and TensorFlow know what it computes."
            return Section(title, (Line(told, Tone.WARN),))
        case Loop():
            raise ValueError("a loop has many sections")
        case _:
            assert_never(why)


def _gate(why: Sum, gates: tuple[str, ...]) -> str:
    """Which part of a recurrent layer's kernel is summed up."""
    weights = [term.factor for term in why.terms if isinstance(term.factor, WeightElement)]
    if not gates or not weights:
        return ""
    first = weights[0]
    return f" ({gates[first.index[-1] * len(gates) // first.shape[-1]]})"


def _of_loop(one: Step, why: Loop, form: Form) -> Iterator[Section]:
    place = f"step {why.step + 1} of {why.count}"
    old = tuple(Row(("before", each.value, float32(each.number))) for each in why.before)
    new = tuple(Row(("after", each.value, float32(each.number))) for each in why.after)
    yield Section(
        f"{one.operation}: {element(one.result)} = {float32(one.result.number)}",
        (Line(f"The states of this unit in {place}, which reads time {why.time} of the input."),),
        Table(("when", "state", "number"), (*old, *new), frozenset({2})),
    )
    yield from sections_of(why.steps, form, f"{place}, ")


def _of_arithmetic(title: str, why: Arithmetic, result: float) -> Section:
    rows = [Row(("", named(why.start), float32(number_of(why.start)), ""))]
    rows += [
        Row((each.sign, _label(each), float32(each.number), fraction(each.after)))
        for each in why.operations
    ]
    exact = why.operations[-1].after if why.operations else Fraction(number_of(why.start))
    header = ("sign", "what", "number", "exactly")
    after = of_agreement(why.agreement, fraction(exact), result, why.bound, "in this order")
    return Section(title, (), Table(header, tuple(rows), frozenset({2, 3})), (after,))


def _label(operation: Operation) -> str:
    return operation.label if operation.source is None else named(operation.source)


def _of_choice(title: str, why: Choice, most: int | None) -> Section:
    rows = _rows_of(why.candidates, most, chosen=why.winner)
    equal = f", and {why.equal - 1} more that are equal" if why.equal > 1 else ""
    count = many(len(why.candidates), "number")
    told = f"The {why.kind} of {count}: {element(why.candidates[why.winner])}{equal}."
    return Section(title, (Line(told),), Table(("input", "x"), rows, frozenset({1})))


def _of_taken(why: Taken) -> Iterator[Line]:
    if why.by is not None:
        yield Line(f"{element(why.by)} is {float32(why.by.number)}, which decides what is taken.")
    if why.source is None:
        yield Line("A zero that is put there: padding, or what a mask leaves out.")
        return
    yield Line(f"Taken unchanged from {named(why.source)} = {float32(number_of(why.source))}.")
    raw = why.source.raw if isinstance(why.source, WeightElement) else None
    if raw is not None and raw != number_of(why.source):
        yield Line(f"get_weights() returns {float32(raw)} there.", Tone.WARN)


def _of_rounded(why: Rounded, result: float) -> Iterator[Line]:
    before = f"{element(why.before)} = {float32(why.before.number)}"
    yield Line(f"{describe(why.quantizer)} of {before}.")
    if why.code is None or why.exp is None:
        yield Line(f"It returns {float32(result)}.")
        return
    if why.position is not None:
        yield Line(
            f"That is {fraction(why.position)} steps of {step(why.exp)}, "
            f"and codes go from {why.lo} to {why.hi}."
        )
    yield Line(f"The code is {why.code}: {why.code} * {step(why.exp)} = {float32(result)}.")
    if why.saturated:
        yield Line("Saturated: that lies beyond all codes, and becomes the nearest one.", Tone.WARN)
    elif why.tie:
        yield Line("A tie: exactly between two codes, and rounded to the even one.", Tone.WARN)


def _of_applied(title: str, why: Applied, most: int | None) -> Section:
    of = ", ".join(f"{element(each)} = {float32(each.number)}" for each in why.of)
    lines = (Line(f"{why.function}{f', with x = {of}' if of else ''}."),)
    doubt = f"Not proven to be the same in every program: {why.doubt}."
    after = () if why.doubt is None else (Line(doubt, Tone.WARN),)
    if not why.along:
        return Section(title, lines, None, after)
    rows = _rows_of(why.along, most)
    return Section(title, lines, Table(("of all", "x"), rows, frozenset({1})), after)


def _rows_of(
    elements: tuple[Element, ...], most: int | None, chosen: int | None = None
) -> tuple[Row, ...]:
    kept = shown([each.number for each in elements], most)
    if chosen is not None and chosen not in kept:
        kept = sorted({*kept[1:], chosen})
    rows = [
        Row(
            (element(elements[i]), float32(elements[i].number)),
            Tone.GOOD if i == chosen else Tone.PLAIN,
        )
        for i in kept
    ]
    left = len(elements) - len(kept)
    return (*rows, *((Row((f"and {left} more", ""), Tone.MUTED),) if left else ()))
