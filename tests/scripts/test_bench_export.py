"""What `scripts/bench_export.py` says of growth, and of programs that are not slow enough."""

import pytest

from scripts.bench_export import Program, Result, Sample, slope, too_slow

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
