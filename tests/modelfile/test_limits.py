"""Limits: each is told with its name, and raising it by that name reads the file."""

from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path

import pytest

from qconvert.errors import QConvertError, UsageError
from qconvert.modelfile import DEFAULT_LIMITS, Json, Limits, read_limits, read_model

pytestmark = pytest.mark.usefixtures("forked_reader")

WriteModel = Callable[..., Path]


def layered(count: int, name: str = "d") -> dict[str, Json]:
    layers: list[Json] = [{"class_name": "Dense", "config": {"name": name}}]
    layers += [{"class_name": "ReLU", "config": {"name": f"r{i}"}} for i in range(count - 1)]
    return {"class_name": "Sequential", "config": {"layers": layers}}


def most_of(name: str) -> int:
    return 10**9 if name == "reader_seconds" else 1 << 60


@pytest.mark.parametrize(
    ("limit", "value", "code"),
    [
        ("file-bytes", 2000, "QC110"),
        ("config-bytes", 100, "QC208"),
        ("json-depth", 3, "QC204"),
        ("json-values", 5, "QC208"),
        ("layers", 4, "QC324"),
        ("name-length", 1, "QC331"),
        ("total-bytes", 20, "QC513"),
    ],
)
def test_a_limit_names_itself(write_model: WriteModel, limit: str, value: int, code: str) -> None:
    path = write_model(layered(5))
    with pytest.raises(QConvertError) as caught:
        read_model(path, limits=DEFAULT_LIMITS.with_values({limit: value}))
    assert caught.value.code == code
    assert f"limit {value:,} (--limit {limit}=N raises it)" in str(caught.value)
    read_model(path)


def test_more_layers_are_read_if_the_limit_is_raised(write_model: WriteModel) -> None:
    path = write_model(layered(10_001))
    with pytest.raises(QConvertError, match=r"10,001 layers: limit 10,000 \(--limit layers=N"):
        read_model(path)
    read_model(path, limits=DEFAULT_LIMITS.with_values({"layers": 10_001}))


def test_limits_are_written_with_units() -> None:
    texts = ["layers=20000", "file-bytes=8GiB", "config-bytes=1MiB", "total-bytes=3KiB"]
    assert read_limits(texts) == {
        "layers": 20000,
        "file-bytes": 8 << 30,
        "config-bytes": 1 << 20,
        "total-bytes": 3 << 10,
    }


@pytest.mark.parametrize("text", ["layers", "layers=", "=1"])
def test_other_texts_are_no_limits(text: str) -> None:
    with pytest.raises(UsageError, match="is not NAME=VALUE"):
        read_limits([text])


@pytest.mark.parametrize("value", ["1e5", "8GB", "abc", "1 GiB", "0x10", "1=2"])
def test_a_value_of_another_form_is_told(value: str) -> None:
    told = f"the limit file-bytes cannot be '{value}'; values are as 20000, or 8KiB, 8MiB or 8GiB"
    with pytest.raises(UsageError, match=told):
        read_limits([f"file-bytes={value}"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"layer": 1}, r"no limit 'layer' \(similar names: layers\); there are file-bytes, "),
        ({"x": 1}, "there is no limit 'x'; there are file-bytes, config-bytes, json-depth, "),
        ({"layers": 0}, "the limit layers has to be a positive integer, not 0"),
        ({"layers": -5}, "the limit layers has to be a positive integer, not -5"),
        ({"layers": -(10**5000)}, "the limit layers has to be a positive integer"),
        ({"layers": True}, "the limit layers has to be a positive integer"),
    ],
)
def test_limits_that_do_not_exist_are_told(values: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DEFAULT_LIMITS.with_values(values)


def test_a_limit_that_is_too_large_is_said_to_be() -> None:
    with pytest.raises(UsageError, match="file-bytes is too large: a number of 20 digits"):
        read_limits([f"file-bytes={'9' * 20}GiB"])


@pytest.mark.parametrize(
    ("name", "value", "most"),
    [
        ("reader-seconds", 9223372036, "1,000,000,000"),
        ("reader-memory", 99999999999999 << 30, "1,152,921,504,606,846,976"),
        ("layers", (1 << 60) + 1, "1,152,921,504,606,846,976"),
    ],
)
def test_a_value_beyond_what_a_limit_can_be_is_told(name: str, value: int, most: str) -> None:
    told = f"the limit {name} is too large: it is at most {most}"
    with pytest.raises(UsageError, match=told) as caught:
        DEFAULT_LIMITS.with_values({name: value})
    assert caught.value.code == "QC003"


@pytest.mark.parametrize("field", fields(Limits), ids=lambda field: str(field.name))
def test_a_model_is_read_with_any_limit_at_its_most(
    write_model: WriteModel, field: Field[int]
) -> None:
    value = most_of(field.name)
    with pytest.raises(UsageError, match="is too large"):
        DEFAULT_LIMITS.with_values({field.name: value + 1})
    limits = DEFAULT_LIMITS.with_values(read_limits([f"{field.name}={value}"]))
    read_model(write_model(layered(5)), limits=limits)


def test_a_model_is_read_with_all_limits_at_their_most(write_model: WriteModel) -> None:
    most = {field.name: most_of(field.name) for field in fields(Limits)}
    read_model(write_model(layered(5)), limits=DEFAULT_LIMITS.with_values(most))
