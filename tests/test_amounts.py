"""Bounds are the same on the command line and in Python, and hold before anything is read."""

from collections.abc import Callable

import pytest

import qconvert
from qconvert.amounts import MOST_SAMPLES
from qconvert.cli import run
from qconvert.errors import BadFileError, UsageError

NOWHERE = "no such model.h5"
BEYOND = (MOST_SAMPLES + 1, 10**20, 10**5000)


def check(samples: int) -> object:
    return qconvert.check(NOWHERE, samples=samples)


def explain(samples: int) -> object:
    """Counted from 0, the last of so many."""
    return qconvert.explain(NOWHERE, "layer", sample=samples - 1)


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (check, "--samples.*: there are at most 10,000,000 samples"),
        (explain, "--sample.*: samples count from 0 to 9,999,999 at most"),
    ],
)
@pytest.mark.parametrize("samples", BEYOND, ids=["one", "many", "more"])
def test_so_many_samples_are_refused_at_once(
    ask: Callable[[int], object], told: str, samples: int
) -> None:
    with pytest.raises(UsageError, match=told) as found:
        ask(samples)
    assert found.value.code == "QC003"


@pytest.mark.parametrize("ask", [check, explain])
def test_up_to_the_bound_the_model_is_read(ask: Callable[[int], object]) -> None:
    with pytest.raises(BadFileError):
        ask(MOST_SAMPLES)


@pytest.mark.parametrize(
    "words",
    [
        ["check", NOWHERE, "--samples", str(10**20)],
        ["explain", NOWHERE, "--layer", "layer", "--sample", str(MOST_SAMPLES)],
    ],
)
def test_the_command_line_gives_the_same_code(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert capsys.readouterr().err.startswith(f"qconvert: error QC003: {' '.join(words[-2:])}: ")
