"""A whole explanation in words."""

import math
from collections.abc import Iterator
from typing import Final

from qconvert.explaining import Explanation, Raw, RawWeight, Statement
from qconvert.ir import Shape
from qconvert.report.explanation.numbers import apart, element, float32, index, many
from qconvert.report.explanation.sections import Line, Row, Section, Sheet, Table, Tone
from qconvert.report.explanation.steps import Form, sections_of
from qconvert.report.failure import lines_of
from qconvert.report.summary import describe

#: Terms up to which all are shown.
FEW: Final = 64
#: What stands side by side in the kernels of recurrent layers, by the end of the class's name.
_GATES: Final = {
    "LSTM": ("input gate", "forget gate", "candidate", "output gate"),
    "GRU": ("update gate", "reset gate", "candidate"),
}


def sheet_of(explanation: Explanation, *, all_terms: bool = False) -> Sheet:
    """The sections; without *all_terms* of long sums the largest terms, and what the others are."""
    return Sheet(
        f"{explanation.layer}{index(explanation.index)} = {float32(explanation.value)}",
        tuple(_about(explanation)),
        tuple(_sections(explanation, None if all_terms else FEW)),
    )


def witness_section(explanation: Explanation) -> Section | None:
    """What the programs return for the element, if any was asked."""
    if not explanation.witnesses:
        return None
    place = f"{explanation.layer}{index(explanation.index)}"
    rows = tuple(_of_witness(one, explanation.value) for one in explanation.witnesses)
    table = Table(("program", "returns", "compared"), rows, frozenset({1}))
    return Section(f"What programs return for {place}", (), table)


def _of_witness(one: Statement, value: float) -> Row:
    if one.value is None:
        return Row((one.witness, "", "; ".join(lines_of(one.missing or ""))), Tone.MUTED)
    if one.value == value or (math.isnan(one.value) and math.isnan(value)):
        return Row((one.witness, float32(one.value), "the same"))
    told = f"not NumPy's {float32(value)}"
    if math.isfinite(one.value) and math.isfinite(value):
        told += f": {many(apart(one.value, value), 'float32 number')} apart"
    return Row((one.witness, float32(one.value), told), Tone.BAD)


def _about(explanation: Explanation) -> Iterator[Line]:
    yield Line(
        f"{explanation.class_name} of {explanation.model}, result {_shape(explanation.shape)}; "
        f"input: {explanation.sample}"
    )
    if explanation.chosen:
        yield Line("No index was given, so that this one was chosen.", Tone.MUTED)
    raw = explanation.raw
    if raw is not None and raw.value not in (None, explanation.value):
        yield Line(
            f"With what get_weights() returns it would be {float32(raw.value)}, which is wrong: "
            "the layer computes with other numbers than it stores.",
            Tone.BAD,
        )


def _shape(shape: Shape) -> str:
    return "x".join("?" if n is None else str(n) for n in shape[1:]) or "a number"


def _sections(explanation: Explanation, most: int | None) -> Iterator[Section]:
    if explanation.steps:
        ends = (gates for end, gates in _GATES.items() if explanation.class_name.endswith(end))
        yield from sections_of(explanation.steps, Form(most, next(ends, ())))
    else:
        yield Section("Nothing is computed", (Line("The layer returns what it gets."),))
    if explanation.raw is not None:
        yield _of_raw(explanation, explanation.raw)
    witnesses = witness_section(explanation)
    if witnesses is not None:
        yield witnesses
    if explanation.notes:
        notes = tuple(Line(note, Tone.WARN) for note in explanation.notes)
        yield Section("What QKeras does here that one may not expect", notes)


def _of_raw(explanation: Explanation, raw: Raw) -> Section:
    steps = [one for one in explanation.steps if one.raw is not None]
    rows = tuple(
        Row(
            (element(one.result), float32(one.result.number), float32(one.raw)),
            Tone.PLAIN if one.raw == one.result.number else Tone.BAD,
        )
        for one in steps
        if one.raw is not None
    )
    header = ("number", "in the layer", "with get_weights()")
    differing = any(weight.differing for weight in raw.weights)
    table = Table(header, rows, frozenset({1, 2})) if rows and differing else None
    return Section("With get_weights()", tuple(_about_raw(explanation, raw)), table)


def _about_raw(explanation: Explanation, raw: Raw) -> Iterator[Line]:
    if not any(weight.differing for weight in raw.weights):
        yield Line("The layer computes with what get_weights() returns, as it is.", Tone.GOOD)
        return
    yield Line(
        "get_weights() returns the weights as they are trained and stored. The layer computes with "
        "others, which it makes of them on every call:"
    )
    yield from (Line(_of_weight(weight)) for weight in raw.weights if weight.differing)
    if raw.value is None:
        yield Line("What the stored ones would give is not known: the layer lays them out anew.")
    elif raw.value == explanation.value:
        yield Line("For this element that makes no difference in the end.", Tone.WARN)
    else:
        yield Line(
            f"With get_weights() this element would be {float32(raw.value)}, "
            f"which is wrong: it is {float32(explanation.value)}.",
            Tone.BAD,
        )


def _of_weight(weight: RawWeight) -> str:
    quantized = "" if weight.quantizer is None else describe(weight.quantizer)
    if weight.folded:
        then = f", and the product quantized by {quantized}" if quantized else ""
        how = f"the batch normalization is folded into it{then}"
    elif quantized:
        how = f"quantized by {quantized}"
    else:
        how = "the layer uses other numbers in its place"
    return f"{weight.role}: {how}; {weight.differing} of {weight.size} numbers differ."
