import pytest

from qconvert.modelfile.json_limits import parse_object
from qconvert.modelfile.limits import Limits
from qconvert.modelfile.malformed import BeyondLimitError, MalformedError


def nested(levels: int) -> str:
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


def test_a_text_of_too_many_bytes_is_not_parsed() -> None:
    with pytest.raises(BeyondLimitError) as caught:
        parse_object(b" " * ((32 << 20) + 1), "x")
    assert str(caught.value) == (
        "x is too large: limit 33,554,432 (--limit config-bytes=N raises it)"
    )


@pytest.mark.parametrize("levels", [65, 30_000])
def test_a_limit_of_levels_is_told_with_what_raises_it(levels: int) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_object(nested(levels), "x")
    assert caught.value.code == "QC204"
    assert str(caught.value) == (
        "x is nested too deeply: limit 64 (--limit json-depth=N raises it)"
    )
    assert parse_object(nested(65), "x", Limits(json_depth=65))


def test_a_limit_that_the_parser_does_not_reach_is_not_told() -> None:
    limits = Limits(json_depth=1_000_000)
    with pytest.raises(MalformedError, match=r"nested too deeply for Python's parser$") as caught:
        parse_object("[" * 300_000 + "]" * 300_000, "x", limits)
    assert caught.value.code == "QC204"


def test_what_is_wrong_keeps_its_code_and_its_words() -> None:
    with pytest.raises(MalformedError, match=r"^x at a: NaN is not a JSON number$") as caught:
        parse_object(b'{"a": NaN}', "x")
    assert caught.value.code == "QC206"
