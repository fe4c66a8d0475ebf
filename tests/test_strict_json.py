import pytest

from qconvert.strict_json import JsonError, parsed, parsed_object

TOO_DEEP = "x is nested too deeply"


def test_json_of_every_type_is_read() -> None:
    text = b'{"a": [null, true, -1, 0.5, "\\u00e9", {}], "b": 9223372036854775807}'
    expected = {"a": [None, True, -1, 0.5, "é", {}], "b": 2**63 - 1}
    assert parsed(text, "x") == expected


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
        (
            b'{"a": "b',
            "x is not JSON: line 1, column 7: the text ends within the string that begins here",
        ),
        (b'["\x01"]', "x is not JSON: line 1, column 3: Invalid control character"),
        (b"[" * 65 + b"]" * 65, TOO_DEEP),
        (b'{"a":' * 30000, TOO_DEEP),
        (b"[" * 30000 + b"]" * 30000, TOO_DEEP),
    ],
)
def test_json_with_more_than_one_meaning_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(JsonError) as caught:
        parsed(text, "x")
    assert str(caught.value) == reason


def test_64_levels_are_not_too_deep() -> None:
    parsed(b"[" * 64 + b"]" * 64, "x")


@pytest.mark.parametrize("text", [b"[]", b'"text"', b"null", b"1"])
def test_an_object_is_asked_for_by_name(text: bytes) -> None:
    with pytest.raises(JsonError, match="x is JSON, but not an object"):
        parsed_object(text, "x")


@pytest.mark.parametrize("value", ["NaN", '{"b": 1, "b": 2}', "9" * 5000, "[" * 99 + "]" * 99])
def test_what_is_not_read_may_be_anything(value: str) -> None:
    text = f'{{"a": {{"c": 1}}, "c": {value}}}'
    assert parsed_object(text, "x", unread={"c"}) == {"a": {"c": 1}}
    with pytest.raises(JsonError, match=r"^x at a\.c:|^x is nested too deeply"):
        parsed_object(f'{{"a": {text}}}', "x", unread={"c"})


def test_a_key_that_is_not_read_is_not_there_twice() -> None:
    with pytest.raises(JsonError, match="the key 'c' occurs twice"):
        parsed_object('{"c": 1, "c": 2}', "x", unread={"c"})
