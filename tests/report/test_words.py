"""What is said of a weight that the file has other numbers for."""

import math

import pytest

from qconvert.checking.compare import Difference, Example
from qconvert.checking.results import Verdict, WeightResult
from qconvert.checking.witness import Witness
from qconvert.report import words

COUNT = "1 of 36 elements differ in the ONNX file"


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (None, COUNT),
        (0.375, f"{COUNT}; first at [2, 1]: 0.375 in place of 0.25"),
        (
            math.nan,
            "1 of 36 are part of other numbers in the ONNX file, which are wrong; first at [2, 1]",
        ),
    ],
)
def test_the_first_wrong_number_is_told_as_far_as_the_file_has_it(
    first: float | None, told: str
) -> None:
    values = () if first is None else ((Witness.NUMPY, 0.25), (Witness.ORT, first))
    example = Example((2, 1), values) if values else None
    stored = Difference(36, 1, 1, 0.125, 9, example)
    weight = WeightResult("conv", "kernel", Verdict.DIFFERS, Difference(36), stored)
    assert words.of_weight(weight) == told
