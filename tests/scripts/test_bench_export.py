"""What `scripts/bench_export.py` says of growth, and of programs that are not slow enough."""

import pytest

from scripts.bench_export import growth_rows, rows, slope, slopes, too_slow
from scripts.benched.runs import MEGABYTE, Program, Result, Sample
from scripts.benched.tables import as_markdown, as_text

SIZES = (1, 50, 100, 200)


def test_a_line_is_within_the_limit() -> None:
    text, straight = slope(SIZES, [0.5 + 0.01 * size for size in SIZES], "s")
    assert straight
    assert text.startswith("0.0100 s a MB of weights; the last take 1.00 times")


def test_squares_are_not() -> None:
    text, straight = slope(SIZES, [0.5 + 0.0001 * size**2 for size in SIZES], "s")
    assert not straight
    assert "MISSES" in text


@pytest.mark.parametrize(("seconds", "count"), [(9.9, 1), (10.0, 0)])
def test_others_have_to_be_ten_times_as_slow(seconds: float, count: int) -> None:
    def result(name: str, seconds: float) -> Result:
        return Result(Program(name, ()), Sample(seconds, 1, seconds))

    unit = result("qconvert export", 1.0)
    others = [result("import numpy", 0.5), result("TensorFlow loads the model", seconds)]
    assert len(too_slow([unit, *others], unit)) == count


def test_rows_tell_ratios_and_what_was_promised() -> None:
    kept = Result(Program("qconvert export", (), 1.0, 150 * MEGABYTE), Sample(0.5, 10**8, 0.4))
    missed = Result(Program("other", (), 1.0), Sample(1.5, 2 * 10**8, 1.0))
    assert list(rows([kept, missed], kept))[1:] == [
        ("qconvert export", "0.500", "1.00", "100", "1.00", "within 1.0 s, 150 MB"),
        ("other", "1.500", "3.00", "200", "2.00", "MISSES 1.0 s"),
    ]


def test_each_kind_has_its_slopes() -> None:
    """The second kind takes memory as a square of its size."""

    def grown(kind: str, power: int) -> list[Result]:
        return [
            Result(Program(f"{kind}-{n}", ()), Sample(n, MEGABYTE * n**power, n)) for n in SIZES
        ]

    results = [*grown("deep", 1), *grown("wide", 2)]
    lines, straight = slopes(SIZES, results)
    assert not straight
    assert ["MISSES" in line for line in lines] == [False, False, False, True]
    assert growth_rows(results)[-1] == ("wide-200", "200.000", "200.000", "40000")


def test_a_table_is_the_same_for_people_and_for_the_documentation() -> None:
    table = [("program", "s"), ("a", "1.00"), ("longer", "")]
    assert as_markdown(table) == "| program | s |\n|---|---|\n| a | 1.00 |\n| longer |  |"
    assert as_text(table) == "program     s\na        1.00\nlonger"
