"""Each error has a code, each code an explanation, and nothing of either is left over."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from qconvert.codes import explanation, explanations
from qconvert.errors import Problem, UnsupportedError, UsageError
from scripts.error_table import PAGE, page

PACKAGE: Final = Path(__file__).parents[1] / "qconvert"
#: What takes a code as its first argument.
CODED: Final = frozenset(
    {
        "BadFileError",
        "LimitError",
        "MalformedError",
        "OutputError",
        "Problem",
        "QuantizerError",
        "UsageError",
        "WitnessError",
    }
)
#: What is the code of another error.
PASSED: Final = frozenset({"code", "error.code", "problem.code", "reason.code"})


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node


def uncoded(source: str) -> list[int]:
    """The lines in which an error gets something else than a code, or another error's."""
    found = []
    for call in calls(ast.parse(source)):
        if not isinstance(call.func, ast.Name) or call.func.id not in CODED:
            continue
        first = call.args[0] if call.args else None
        literal = isinstance(first, ast.Constant) and re.fullmatch("QC[0-9]{3}", str(first.value))
        passed = ast.unparse(first) in PASSED if first else False
        if not (literal or passed):
            found.append(call.lineno)
    return found


def test_every_error_names_its_code() -> None:
    found = {
        str(path): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := uncoded(path.read_text(encoding="utf-8")))
    }
    assert not found


@pytest.mark.parametrize(
    ("source", "bad"),
    [
        ("raise UsageError('no dialect')", True),
        ("raise BadFileError(path, reason)", True),
        ("raise BadFileError()", True),
        ("raise UsageError('QC003', 'no dialect')", False),
        ("raise BadFileError(error.code, path, str(error))", False),
        ("raise click.UsageError('no')", False),
    ],
)
def test_an_error_without_a_code_is_seen(source: str, bad: bool) -> None:
    assert bool(uncoded(source)) is bad


def test_every_code_is_explained_and_used() -> None:
    used = {
        code
        for path in PACKAGE.rglob("*.py")
        for code in re.findall('"(QC[0-9]{3})"', path.read_text(encoding="utf-8"))
    }
    assert used == set(explanations())


def test_explanations_are_sentences_in_the_order_of_codes() -> None:
    table = explanations()
    assert list(table) == sorted(table)
    titles = [entry.title for entry in table.values()]
    assert len(set(titles)) == len(titles)
    for entry in table.values():
        assert not entry.title.endswith(".")
        assert entry.meaning.endswith(".") and entry.remedy.endswith(".")


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_an_unknown_code_gets_similar_ones() -> None:
    with pytest.raises(UsageError, match="similar names: QC"):
        explanation("QC199")


def test_problems_of_one_kind_give_the_error_their_code() -> None:
    same = UnsupportedError([Problem("QC302", "a", "x"), Problem("QC302", "b", "y")])
    other = UnsupportedError([Problem("QC302", "a", "x"), Problem("QC323", "b", "y")])
    assert (same.code, other.code) == ("QC302", "QC300")
    assert str(other).splitlines()[1:] == ["  a: x [QC302]", "  b: y [QC323]"]
