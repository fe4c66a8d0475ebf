import pytest

from qconvert.modelfile.json_strict import parse_json, parse_object
from qconvert.modelfile.limits import Limits
from qconvert.modelfile.malformed import MalformedError

TOO_DEEP = "x is nested too deeply: limit 64 (--limit json-depth=N raises it)"


def test_json_of_every_type_is_read() -> None:
    text = b'{"a": [null, true, -1, 0.5, "\\u00e9", {}], "b": 9223372036854775807}'
    expected = {"a": [None, True, -1, 0.5, "é", {}], "b": 2**63 - 1}
    assert parse_json(text, "x") == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a": 1,\n "b": }', "x is not JSON: line 2, column 7: Expecting value"),
        (b'{"f": 1, "a": 0, "f": 2}', "x: the key 'f' occurs twice in one object"),
        (b"NaN", "x: NaN is not a JSON number"),
        (b"[-Infinity]", "x at [0]: -Infinity is not a JSON number"),
        (b"[1e999]", "x at [0]: the number 1e999 is out of range"),
        (b"[" + b"9" * 5000 + b"]", f"x at [0]: the integer {'9' * 40} is out of range"),
        (b"[18446744073709551616]", "x at [0]: the integer 18446744073709551616 is out of range"),
        (
            b'{"config": {"layers": [1, {"a": 2}, {"config": {"units": NaN, "b": 1}}]}}',
            "x at config.layers[2].config.units: NaN is not a JSON number",
        ),
        (
            b'{"config": {"layers": [{}, {"f": 1, "a": 0, "f": 2}]}}',
            "x at config.layers[1]: the key 'f' occurs twice in one object",
        ),
        (b'{"a b": {"c": 1e999}}', "x at ['a b'].c: the number 1e999 is out of range"),
        (b"[" * 800 + b"]" * 800, TOO_DEEP),
        (b"[" + b"[" * 800 + b"]" * 800 + b", NaN]", "x at [1]: NaN is not a JSON number"),
        (b'["\xff"]', "x is not UTF-8"),
        (b'{"a": ["", "\\ud800"]}', r"x at a[1]: a lone surrogate: '\ud800'"),
        (b'{"\\ud800": 1}', r"x at ['\ud800']: a lone surrogate: '\ud800'"),
        (b"[" * 65 + b"]" * 65, TOO_DEEP),
        (b'{"a":' * 30000, TOO_DEEP),
        (b"[" * 30000 + b"]" * 30000, TOO_DEEP),
        (
            b" " * ((32 << 20) + 1),
            "x is too large: limit 33,554,432 (--limit config-bytes=N raises it)",
        ),
    ],
)
def test_json_with_more_than_one_meaning_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_json(text, "x")
    assert str(caught.value) == reason


def test_64_levels_are_not_too_deep() -> None:
    parse_json(b"[" * 64 + b"]" * 64, "x")


@pytest.mark.parametrize("text", [b"[]", b'"text"', b"null", b"1"])
def test_an_object_is_asked_for_by_name(text: bytes) -> None:
    with pytest.raises(MalformedError, match="x is JSON, but not an object"):
        parse_object(text, "x")


def test_a_limit_that_the_parser_does_not_reach_is_not_told() -> None:
    limits = Limits(json_depth=1_000_000)
    with pytest.raises(MalformedError, match=r"nested too deeply for Python's parser$") as caught:
        parse_json("[" * 300_000 + "]" * 300_000, "x", limits)
    assert caught.value.code == "QC204"
