import io
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from rich.console import Console

from qconvert.explaining import (
    Agreement,
    Applied,
    Arithmetic,
    Choice,
    Element,
    Explanation,
    Loop,
    Operation,
    Raw,
    RawWeight,
    Reason,
    Rounded,
    Statement,
    Step,
    Sum,
    Taken,
    Term,
    Unknown,
    WeightElement,
)
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.report.explanation.document import to_json
from qconvert.report.explanation.interactive import ShownExplanation
from qconvert.report.explanation.numbers import apart, at_most
from qconvert.report.explanation.page import to_html
from qconvert.report.explanation.terminal import show, show_witnesses

SCHEMA: Final = Path(__file__).parents[2] / "schemas" / "explanation.schema.json"
HOSTILE: Final = '<script>alert("x")</script>\x1b[31m\u202e=1+1'
BITS: Final = QuantizedBits(4, alpha=1.0)


def summed(count: int = 3, **changes: Any) -> Sum:
    """1/8 * 1/4 again and again, with padding first and a bias of 1/32 behind."""
    terms = tuple(
        Term(
            Element("x", (i - 1, 0), 0.125 if i else 0.0, padding=not i),
            WeightElement("kernel", (i, 1), 0.25, 0.3, (count, 2)),
            1 if i else 0,
            i,
        )
        for i in range(count)
    )
    bias = WeightElement("bias", (1,), 0.03125, 0.04, (2,))
    exact = Fraction(count, 32)
    return replace(Sum(terms, -3, -2, -5, bias, 1, exact, Agreement.EXACT), **changes)


REASONS: Final[Mapping[str, Reason]] = {
    "sum": summed(),
    "arithmetic": Arithmetic(
        Element("x", (0,), 0.1),
        (Operation("/", "how many they are", 3.0, None, Fraction(1, 30)),),
        Agreement.DIFFERENT,
        Fraction(1, 3 << 24),
    ),
    "choice": Choice("largest", (Element("x", (0,), 1.0), Element("x", (1,), 2.0)), 1, 1),
    "taken": Taken(WeightElement("embeddings", (1, 0), 0.5, 0.75, (2, 1)), Element("x", (0,), 1.0)),
    "zero": Taken(None),
    "saturated": Rounded(
        QuantizedRelu(4), Element("x", (0,), 7.0), 15, -4, 0, 15, Fraction(112, 1)
    ),
    "tie": Rounded(BITS, Element("x", (0,), 0.1875), 2, -3, -8, 7, Fraction(3, 2)),
    "no code": Rounded(BITS, Element("x", (0,), 0.1)),
    "applied": Applied(
        "exp(x)", (Element("x", (0,), 1.0),), (Element("x", (1,), float("inf")),), "a function"
    ),
    "loop": Loop(
        1,
        4,
        2,
        (Element("h", (0,), 0.0),),
        (Element("h", (0,), 1.0),),
        (Step("Dense", Element("dense", (0,), 1.0), summed()),),
    ),
    "unknown": Unknown("tf2onnx"),
}


def explained(*reasons: Reason, **changes: Any) -> Explanation:
    result = Element("y", (1,), 0.09375)
    raw = Raw(0.115, (RawWeight("kernel", 6, 5, BITS, False), RawWeight("bias", 2, 0, None, False)))
    explanation = Explanation(
        "m.h5",
        "0" * 64,
        "y",
        "QDense",
        (None, 2),
        (1,),
        True,
        "sample 1",
        0.09375,
        tuple(Step("Dense", result, reason, 0.115) for reason in reasons or (summed(),)),
        raw,
        ("something strange",),
        (
            Statement("TensorFlow", None, "No module named 'tensorflow'"),
            Statement("ONNX Runtime", 0.125),
            Statement("NumPy", 0.09375),
        ),
    )
    return replace(explanation, **changes)


def told(explanation: Explanation, **options: Any) -> str:
    stream = io.StringIO()
    show(explanation, Console(file=stream, width=400, color_system=None), **options)
    return stream.getvalue()


def lines(explanation: Explanation, **options: Any) -> list[str]:
    return [" ".join(line.split()) for line in told(explanation, **options).splitlines()]


def test_terms_are_shown_as_codes_with_both_weights() -> None:
    shown = lines(explained())
    assert "input x code times get_weights() weight code product sum" in shown
    assert "x[-1,0] padding kernel[0,1] 0.3 0.25 1 0 0" in shown
    assert "x[1,0] 0.125 1 kernel[2,1] 0.3 0.25 1 1 2" in shown
    assert "bias bias[1] 0.04 0.03125 1 3" in shown
    assert "0.09375 is exact, and float32 returns it for this input." in shown


def test_integers_that_are_too_long_are_decimals() -> None:
    why = summed(exp=-60, exact=Fraction(1 << 40, 1 << 60))
    terms = tuple(replace(term, product=1 << 40, partial=1 << 40) for term in why.terms)
    shown = lines(explained(replace(why, terms=terms)))
    assert "input x times get_weights() weight product sum" in shown


def test_a_proof_and_a_doubt_are_told() -> None:
    proven = lines(explained(summed(proof="theorem 1")))
    assert (
        "0.09375 is exact, and float32 returns it for every input and in every order: theorem 1."
        in proven
    )
    doubtful = lines(explained(summed(doubt="no domain")))
    assert any(line.endswith("not proven for others: no domain.") for line in doubtful)


def test_rounding_on_the_way_is_told_with_both_numbers_and_a_bound() -> None:
    apart = summed(agreement=Agreement.DIFFERENT, exact=Fraction(3, 16))
    text = "the exact number is 0.1875, and NumPy gets 0.09375"
    assert any(line.endswith(f"{text}.") for line in lines(explained(apart)))
    most = "no correct program, in whatever order, is more than 3.4e-8 from the exact one."
    shown = lines(explained(replace(apart, bound=Fraction(334, 10**10))))
    assert any(line.endswith(f"{text}; {most}") for line in shown)


def test_a_bound_is_never_shown_smaller() -> None:
    shown = {Fraction(1, 3 << 24): "2.0e-8", Fraction(12): "1.2e+1", Fraction(1201, 100): "1.3e+1"}
    for bound, text in shown.items():
        assert at_most(bound) == text and Fraction(text) >= bound


def test_of_long_sums_the_largest_terms_are_shown_and_the_others_counted() -> None:
    long = explained(summed(100))
    shown = lines(long)
    assert sum(line.startswith("x[") for line in shown) == 64
    assert "and 36 more, 1 of them 0; together 35" in shown
    everything = lines(long, all_terms=True)
    assert sum(line.startswith("x[") for line in everything) == 100
    assert not any("more, " in line for line in everything)


def test_a_large_term_at_the_end_is_not_left_out() -> None:
    why = summed(100)
    terms = (*why.terms[:-1], replace(why.terms[-1], product=-50))
    assert any(line.startswith("x[98,0]") for line in lines(explained(replace(why, terms=terms))))


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("arithmetic", "/ how many they are 3 ≈0.03333333333333333"),
        ("choice", "The largest of 2 numbers: x[1]."),
        ("taken", "get_weights() returns 0.75 there."),
        ("zero", "A zero that is put there: padding, or what a mask leaves out."),
        ("saturated", "Saturated: that lies beyond all codes, and becomes the nearest one."),
        ("saturated", "That is 112 steps of 2**-4, and codes go from 0 to 15."),
        ("tie", "A tie: exactly between two codes, and rounded to the even one."),
        ("no code", "It returns 0.09375."),
        ("applied", "exp(x), with x = x[0] = 1."),
        ("applied", "Not proven to be the same in every program: a function."),
        ("loop", "The states of this unit in step 2 of 4, which reads time 2 of the input."),
        ("loop", "step 2 of 4, Dense: dense[0] = 1"),
        ("unknown", "An opaque layer: only tf2onnx and TensorFlow know what it computes."),
    ],
)
def test_every_kind_of_reason_is_told(reason: str, line: str) -> None:
    assert line in lines(explained(REASONS[reason]))


@pytest.mark.parametrize(
    ("class_name", "columns", "gates"),
    [
        ("QLSTM", 8, ["input gate", "input gate", "forget gate", "forget gate", "candidate"]),
        ("GRU", 6, ["update gate", "update gate", "reset gate", "reset gate", "candidate"]),
    ],
)
def test_the_sums_of_recurrent_layers_are_called_by_their_gates(
    class_name: str, columns: int, gates: list[str]
) -> None:
    def column(number: int) -> Sum:
        factor = WeightElement("kernel", (0, number), 0.25, 0.3, (1, columns))
        return summed(terms=(replace(summed().terms[0], factor=factor),))

    steps = tuple(Step("Dense", Element("z", (i,), 1.0), column(i)) for i in range(5))
    shown = lines(explained(class_name=class_name, steps=steps))
    assert [line.partition(" (")[2][:-1] for line in shown if line.startswith("Dense:")] == gates


def test_no_word_of_saturation_or_ties_without_them() -> None:
    inside = Rounded(BITS, Element("x", (0,), 0.2), 2, -3, -8, 7, Fraction(8, 5))
    assert not re.search("Saturated|tie", told(explained(inside)))


def test_what_get_weights_would_give_is_told_with_the_reason() -> None:
    shown = lines(explained())
    assert "With get_weights() this element would be 0.115, which is wrong: it is 0.09375." in shown
    assert "kernel: quantized by QuantizedBits(bits=4, alpha=1.0); 5 of 6 numbers differ." in shown
    assert not any(line.startswith("bias: ") for line in shown)
    folded = Raw(0.115, (RawWeight("kernel", 6, 6, BITS, True),))
    assert any("batch normalization is folded" in line for line in lines(explained(raw=folded)))
    equal = Raw(0.09375, (RawWeight("kernel", 6, 0, None, False),))
    assert "The layer computes with what get_weights() returns, as it is." in lines(
        explained(raw=equal)
    )


def test_witnesses_that_differ_or_are_missing_are_told() -> None:
    shown = lines(explained())
    assert "TensorFlow No module named 'tensorflow'" in shown
    # From 3/32 to 4/32, between which 3/32 has a step of 2**-27.
    assert f"ONNX Runtime 0.125 not NumPy's 0.09375: {2**22} float32 numbers apart" in shown
    assert "NumPy 0.09375 the same" in shown


@pytest.mark.parametrize(
    ("a", "b", "count"),
    [(1.0, 1.0 + 2**-23, 1), (0.0, -0.0, 0), (-(2.0**-149), 2.0**-149, 2), (-1.0, -2.0, 2**23)],
)
def test_distances_count_float32_numbers(a: float, b: float, count: int) -> None:
    assert apart(a, b) == apart(b, a) == count


def test_witnesses_can_be_shown_by_themselves() -> None:
    stream = io.StringIO()
    show_witnesses(explained(), Console(file=stream, width=400))
    assert stream.getvalue().splitlines()[1] == "What programs return for y[1]"
    stream = io.StringIO()
    show_witnesses(explained(witnesses=()), Console(file=stream))
    assert not stream.getvalue()


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("reason", REASONS)
def test_every_kind_of_reason_fits_the_schema(
    validator: jsonschema.Draft202012Validator, reason: str
) -> None:
    document = json.loads(to_json(explained(REASONS[reason])))
    validator.validate(document)
    del document["steps"][0]["reason"]["kind"]
    assert not validator.is_valid(document)


def test_the_schema_refuses_what_it_does_not_know(
    validator: jsonschema.Draft202012Validator,
) -> None:
    document = json.loads(to_json(explained()))
    document["steps"][0]["reason"]["terms"][0]["tolerance"] = 1e-3
    assert not validator.is_valid(document)


def test_json_has_all_terms() -> None:
    document = json.loads(to_json(explained(summed(100))))
    assert len(document["steps"][0]["reason"]["terms"]) == 100


class Seen(HTMLParser):
    """The tags of a page, and the attributes that could do something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def hostile() -> Explanation:
    element = Element(HOSTILE, (0,), 1.0)
    weight = WeightElement(HOSTILE, (0,), 1.0, 2.0, (1,))
    why = summed()
    terms = tuple(Term(element, weight, 1, 1) for _ in why.terms)
    return explained(
        replace(why, terms=terms, bias=weight, proof=HOSTILE, exact=Fraction(1)),
        Applied(HOSTILE, (element,), (element,)),
        Unknown(HOSTILE),
        model=HOSTILE,
        layer=HOSTILE,
        class_name=HOSTILE,
        sample=HOSTILE,
        notes=(HOSTILE,),
        witnesses=(Statement(HOSTILE, None, HOSTILE),),
        raw=Raw(None, (RawWeight(HOSTILE, 1, 1, None, False),)),
    )


def in_notebook(explanation: Explanation) -> str:
    return ShownExplanation.of(explanation)._repr_html_()


@pytest.mark.parametrize("render", [to_html, in_notebook, told])
def test_hostile_names_do_nothing(render: Any) -> None:
    text = render(hostile())
    assert not {"\x1b", "\u202e"} & set(text)
    if render is told:
        return
    seen = Seen()
    seen.feed(text)
    assert "script" not in seen.tags
    assert not seen.tags & {"img", "link", "object", "a", "form"}
    assert ("iframe" in seen.tags) is (render is in_notebook)
    assert not {name for name in seen.attributes if name.startswith("on") or name == "style"}


def test_a_page_has_all_that_the_terminal_has() -> None:
    explanation = explained(*REASONS.values())
    page = re.sub(
        r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]*>", " ", to_html(explanation), flags=re.S)
    )
    for entity, character in (("&lt;", "<"), ("&#39;", "'"), ("&#34;", '"'), ("&amp;", "&")):
        page = page.replace(entity, character)
    missing = [
        word for line in lines(explanation) for word in line.split() if word not in page.split()
    ]
    assert not missing


def test_a_notebook_shows_the_page_in_a_frame_without_scripts() -> None:
    shown = in_notebook(explained())
    assert shown.startswith("<iframe sandbox ")
    assert unescape(shown.partition('srcdoc="')[2].partition('"')[0]) == to_html(explained())
