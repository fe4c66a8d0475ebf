"""A little of `scripts/fuzz.py`, the same each time: every target once, and nothing fails."""

from typing import Final

import pytest

from scripts.fuzzing.guided import Guided
from scripts.fuzzing.tally import Budget
from scripts.fuzzing.targets import every, tried

#: How many cases of each take a few seconds together with the start of its processes.
CASES: Final = {
    "grammar": 300,
    "config": 150,
    "hdf5-bytes": 20,
    "hdf5-structure": 25,
    "archive-bytes": 15,
    "models": 1,
    "renderings": 8,
    "mutants": 2,
    "onnx-structure": 5,
    "onnx-bytes": 3,
    "audit": 1,
    "answer": 200,
    "metadata": 200,
    "report": 20,
}
GUIDED: Final = 300
#: What a target has to have seen in so few cases: otherwise it tries one kind of cases alone.
ACCEPTS: Final = frozenset(
    {"grammar", "config", "hdf5-bytes", "hdf5-structure", "report", "answer"}
)


@pytest.mark.parametrize("name", list(every(None)))
def test_nothing_fails(name: str) -> None:
    target = every(None)[name].target
    cases = GUIDED if isinstance(target, Guided) else CASES[name]
    for tally in tried(target, Budget(300, cases, 0)):
        assert [failure.text for failure in tally.failures] == []
        assert tally.tried >= cases
        if name in ACCEPTS:
            assert tally.accepted and tally.refused
