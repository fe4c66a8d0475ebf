import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qconvert.frontend.quantizer_text import LONGEST, Call, QuantizerError, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("quantized_bits", Call("quantized_bits", (), {}, called=False)),
        ("quantized_bits()", Call("quantized_bits", (), {}, called=True)),
        ("quantized_bits(4,0)", Call("quantized_bits", (4, 0), {}, called=True)),
        ("quantized_bits( 4 , -1 )", Call("quantized_bits", (4, -1), {}, called=True)),
        ("q(1.5,1e3,.5,2.)", Call("q", (1.5, 1000.0, 0.5, 2.0), {}, called=True)),
        ("q(True,False)", Call("q", (True, False), {}, called=True)),
        ("q(None,alpha=None)", Call("q", (None,), {"alpha": None}, called=True)),
        ("q([0.5 -2 1e1])", Call("q", ((0.5, -2, 10.0),), {}, called=True)),
        ("q('auto',\"rnd\")", Call("q", ("auto", "rnd"), {}, called=True)),
        ("q(4, alpha = 'auto', b=1 )", Call("q", (4,), {"alpha": "auto", "b": 1}, called=True)),
    ],
)
def test_reads_names_and_literals(text: str, expected: Call) -> None:
    call = parse(text)
    assert call == expected
    assert [type(a) for a in call.args] == [type(a) for a in expected.args]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "does not begin with a name"),
        (" q", "does not begin with a name"),
        ("q (4)", "expected '('"),
        ("q(4)garbage; import os", "text after the closing bracket"),
        ("q(4) ", "text after the closing bracket"),
        ("q(4", "expected ',' or ')'"),
        ("q(4,)", "expected a number"),
        ("q(,4)", "expected a number"),
        ("q((4),0)", "second '('"),
        ("q(4,0((((", "second '('"),
        ("q(4)(x)", "second '('"),
        ("q(p(4),0", "expected ',' or ')'"),
        ("q(p(4) r(5))", "expected ',' or ')'"),
        ("q(p(4,),0)", "expected a number"),
        ("q(a=1,2)", "positional argument after a named one"),
        ("q(a=1,a=2)", "a is given twice"),
        ("q(alpha=Nonesuch)", "Nonesuch without quotes"),
        ("q(alpha=auto)", "auto without quotes"),
        ("q(0x10)", "expected a number"),
        ("q(1_000)", "expected a number"),
        ("q(nan)", "nan without quotes"),
        ("q(1e999)", "not finite"),
        ("q(99999999999999999999)", "a whole number of more than 18 digits"),
        ("q(a=-9999999999999999999)", "a whole number of more than 18 digits"),
        ("q([0.5,0.25])", "expected a number"),
        ("q([0.5 1e])", "a list of anything but numbers"),
        ("q([1e999 2])", "a list of anything but numbers"),
        ("q([])", "expected a number"),
        ("q(alpha='auto' )", "expected ',' or ')'"),
        ("q('a,b')", "expected a number"),
        ("q(４)", "expected a number"),
    ],
)
def test_refuses_what_safe_eval_guesses(text: str, reason: str) -> None:
    with pytest.raises(QuantizerError) as caught:
        parse(text)
    assert reason in str(caught.value)


def test_refuses_long_texts_in_constant_time() -> None:
    text = "q(" + "1," * 200_000 + "1)"
    start = time.perf_counter()
    with pytest.raises(QuantizerError, match="at most 512"):
        parse(text)
    assert time.perf_counter() - start < 0.01
    assert len(parse("q(" + "1" * 5 + ",1" * ((LONGEST - 8) // 2) + ")").args) == 253


@given(st.text(alphabet="qab_(),=' \"0123456789.eE+-TrueFalsNo\n", max_size=60))
def test_any_text_is_a_call_or_the_one_error(text: str) -> None:
    try:
        call = parse(text)
    except QuantizerError:
        return
    assert text.startswith(call.name)


def test_a_call_among_the_arguments_drops_them_all_as_qkeras_does() -> None:
    found = parse("quantized_relu(quantized_bits(8, 0, alpha=1), 0)")
    assert found == Call("quantized_relu", (), {}, called=False)
