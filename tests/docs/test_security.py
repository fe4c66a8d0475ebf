"""SECURITY.md names tests that exist, for each of its promises."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
TEXT: Final = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED: Final = re.findall(r"^- `(tests/\S+\.py)::(\w+)`$", TEXT, re.MULTILINE)


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda word: Path(word).name)
def test_a_promise_is_held_by_a_test_that_is_there(path: str, name: str) -> None:
    assert name.startswith("test_") and name in names_in(ROOT / path)


def test_every_promise_has_its_tests_and_every_test_is_named_rightly() -> None:
    promises = re.split(r"^\*\*\d\. ", TEXT.split("## What is not promised")[0], flags=re.MULTILINE)
    assert len(promises) == 7
    assert all(re.search(r"^- `tests/", promise, re.MULTILINE) for promise in promises[1:])
    assert len(NAMED) == len(set(NAMED)) == TEXT.count("::")


def test_the_readme_leads_there() -> None:
    assert "(SECURITY.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
