"""TOML is read as tomllib reads it, and not at all where that would take long."""

import contextlib
import time
import tomllib
from typing import Final

import pytest

from qconvert.cli.toml import TomlError, parsed_toml

#: What does not nest, each a value of a key.
INERT: Final = [
    '"' + "a." * 100 + '"',
    "'" + "[{" * 100 + "'",
    '"\\"' + "[" * 100 + '"',
    '["""a"""", "' + "[" * 100 + '"]',
    "['''a'''', '" + "[" * 100 + "']",
    '"""\n\\"""' + "[" * 100 + '"""""',
    "'''\n''" + "[" * 100 + "'''''",
    '""  # "' + "." * 100,
    "[" + "1.5, " * 100 + "]",
    "[" + "[1], " * 100 + "]",
    "{" + ", ".join(f"a.b.c{i} = 1.5" for i in range(100)) + "}",
    "[" * 64 + "]" * 64,
]


@pytest.mark.parametrize("value", INERT)
def test_what_does_not_nest_is_read(value: str) -> None:
    text = f"a = {value}\nb = {value}\n"
    assert parsed_toml(text.encode()) == tomllib.loads(text)


def test_many_keys_of_some_parts_are_read() -> None:
    text = "\n".join(f"[{'a.' * 30}b{i}]\n{'c.' * 30}d = 1.5" for i in range(100))
    assert parsed_toml(text.encode()) == tomllib.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "a." * 65 + "b = 1",
        " . ".join(['"a"'] * 66) + " = 1",
        f"[{'a.' * 64}b]",
        "a = " + "[" * 65 + "]" * 65,
        "a = " + "{b.c.d.e = " * 20 + "1" + "}" * 20,
        "a = [\n" * 65 + "]" * 65,
        'a = """"""\n' + "a." * 65 + "b = 1",
        "a = ''''''\n" + "a." * 65 + "b = 1",
        'a = "\\\\"\n' + "a." * 65 + "b = 1",
    ],
)
def test_what_is_nested_deeply_is_refused(text: str) -> None:
    with pytest.raises(TomlError, match="it is nested too deeply"):
        parsed_toml(text.encode())


@pytest.mark.parametrize("shape", ["a.", "[", "a={", '"""\n\\', "'''x", '"', "a = 1.", "#."])
def test_no_text_of_the_largest_size_takes_long(shape: str) -> None:
    text = shape * ((1 << 20) // len(shape))
    start = time.process_time()
    with contextlib.suppress(TomlError):
        parsed_toml(text.encode())
    assert time.process_time() - start < 5
