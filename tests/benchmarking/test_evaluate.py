from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from qconvert.benchmarking.evaluate import column, per_second
from qconvert.benchmarking.measure import Measured
from qconvert.benchmarking.product import MULTIPLICATIONS, SIZE
from qconvert.benchmarking.results import Spread, Unlike
from qconvert.benchmarking.running import Program
from qconvert.errors import WitnessError

MACS = MULTIPLICATIONS // 8
WHY = WitnessError("QC727", "why")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    return path


def program(
    file: Path,
    rounds: Mapping[int, Sequence[float]],
    results: Sequence[Sequence[float]] | None = None,
    failure: WitnessError | None = None,
) -> dict[int, Measured]:
    """One that was measured with one thread."""
    found = Measured(Program("p", "onnxruntime", file, {}), startup=0.25, peak=7, failure=failure)
    found.rounds = {batch: list(seconds) for batch, seconds in rounds.items()}
    if results is not None:
        found.results = [np.array(each, np.float32) for each in results]
    return {1: found}


def test_the_size_is_that_of_all_files(file: Path, tmp_path: Path) -> None:
    """Weights that lie beside the model count, and where the model is converted only the result."""
    weights = tmp_path / "weights"
    weights.write_bytes(b"1234567")
    of_json = {1: Measured(Program("p", "eager", file, {}, weights))}
    lite = {1: Measured(Program("p", "tflite", file, {}, weights), converted=3)}
    failed = {1: Measured(Program("p", "tflite", file, {}, weights), failure=WHY)}
    measured = program(file, {1: [1.0]})
    sizes = [column(x, measured, measured, None).bytes for x in (of_json, lite, failed)]
    assert sizes == [12, 3, None]


def test_ratios_are_those_within_a_round(file: Path) -> None:
    # A machine that is ten times as slow in the last round makes no ratio larger.
    measured = program(file, {2: [1.0, 1.0, 10.0]})
    other = program(file, {2: [3.0, 4.0, 50.0]})
    found = column(other, measured, program(file, {SIZE: [1.0, 1.0, 10.0]}), None)
    (timing,) = found.settings[0].timings
    assert timing.ratio == Spread(3.0, 4.0, 5.0)
    assert timing.seconds == Spread(3.0, 4.0, 50.0)
    assert (found.bytes, found.settings[0].startup, found.settings[0].peak) == (5, 0.25, 7)


def test_the_share_of_the_peak_is_in_multiplications_of_the_same_round(file: Path) -> None:
    # 4 samples of an eighth of the product's multiplications each
    measured, product = program(file, {4: [1.0, 8.0]}), program(file, {SIZE: [1.0, 4.0]})
    (timing,) = column(measured, measured, product, MACS).settings[0].timings
    assert timing.of_peak == Spread(0.25, 0.375, 0.5)
    assert timing.ratio is None
    assert per_second(product[1]) == Spread.of([MULTIPLICATIONS, MULTIPLICATIONS / 4])


def test_without_a_product_or_multiplications_there_is_no_share(file: Path) -> None:
    measured, failed = program(file, {4: [1.0]}), program(file, {SIZE: [1.0]}, failure=WHY)
    for product, macs in ((failed, MACS), (program(file, {SIZE: [1.0]}), None)):
        assert column(measured, measured, product, macs).settings[0].timings[0].of_peak is None
    assert per_second(failed[1]) is None


def test_what_failed_has_no_timings(file: Path) -> None:
    measured, product = program(file, {4: [1.0]}), program(file, {SIZE: [1.0]})
    found = column(program(file, {4: [1.0]}, failure=WHY), measured, product, MACS)
    assert (found.settings[0].timings, found.settings[0].failure) == ((), WHY.coded)


def test_unlike_outputs_are_counted(file: Path) -> None:
    nan = float("nan")
    measured = program(file, {1: [1.0]}, [[1.0, 2.0, nan], [0.0]])
    other = program(file, {1: [1.0]}, [[1.0, 2.5, nan], [-0.0]])
    found = column(other, measured, program(file, {SIZE: [1.0]}), None)
    assert found.unlike == Unlike(1, 4, 0.5)


def test_the_largest_difference_is_that_of_all_outputs(file: Path) -> None:
    inf, nan = float("inf"), float("nan")
    measured = program(file, {1: [1.0]}, [[1.0, inf, nan], [3.0]])
    product = program(file, {SIZE: [1.0]})
    for results, expected in (
        ([[1.5, inf, nan], [1.0]], Unlike(2, 4, 2.0)),
        ([[1.0, inf, 7.0], [3.0]], Unlike(1, 4, inf)),
        ([[1.0, -inf, nan], [3.0]], Unlike(1, 4, inf)),
        ([[1.0, inf, nan], [3.0]], Unlike(0, 4, 0.0)),
    ):
        other = program(file, {1: [1.0]}, results)
        assert column(other, measured, product, None).unlike == expected


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ([[1.0]], "QC704: its outputs have the shapes (1,), the file's (2,)"),
        ([[1.0, 2.0], [3.0]], "QC704: its outputs have the shapes (2,), (1,), the file's (2,)"),
        ([], "QC704: its outputs have the shapes none, the file's (2,)"),
        (None, None),
    ],
)
def test_outputs_of_other_shapes_are_not_compared_which_is_told(
    file: Path, results: Sequence[Sequence[float]] | None, told: str | None
) -> None:
    measured, other = program(file, {1: [1.0]}, [[1.0, 2.0]]), program(file, {1: [1.0]}, results)
    found = column(other, measured, program(file, {SIZE: [1.0]}), None)
    assert (found.unlike, found.uncompared) == (None, told)
    assert column(measured, measured, measured, None).uncompared is None
