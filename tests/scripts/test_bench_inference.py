"""Every expectation of `scripts/bench_inference.py` turns red where it is not met."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from qconvert.benchmarking import Benchmark
from qconvert.benchmarking.measure import Measured, Told
from qconvert.benchmarking.results import Column, Operator, Setting, Spread, Timing, Unlike
from qconvert.benchmarking.running import Program
from qconvert.checking.results import CheckedFile
from scripts.bench_inference import TRAINED, Network, by_turns, lines, missed, models, rows


def network(
    *,
    name: str = "wide_cnn",
    ratio: float = 5.0,
    at_one: float = 2.0,
    size: int = 5000,
    peak: float = 0.8,
    differing: int = 0,
    floats: tuple[float, ...] = (1.0, 1.0),
) -> Network:
    """A network whose file, of 1000 bytes, is beside tf2onnx's of *size* and ``model(x)``.

    *floats* are the ratios of the dialect ``float`` in all rounds.
    """

    def setting(ratios: tuple[float, float] | None, of_peak: float) -> tuple[Setting, ...]:
        timings = (
            Timing(
                batch,
                Spread.of([0.001]),
                None if ratios is None else Spread.of([ratios[number]]),
                Spread.of([of_peak]),
            )
            for number, batch in enumerate((1, 32))
        )
        return (Setting(1, 0.1, 1, tuple(timings)),)

    unlike = Unlike(differing, 320, 0.5 if differing else 0.0)
    columns = (
        Column("ONNX Runtime", 1000, setting(None, peak)),
        Column("tf2onnx's file", size, setting((at_one, ratio), peak)),
        Column("TensorFlow model(x)", 1, setting((9.0, 9.0), peak), unlike),
        Column("TensorFlow Lite", None, (), failure="no such operator"),
    )
    operators = (
        Operator("a", "QLinearConv", ("conv",), 0.6, True),
        Operator("b", "Conv", ("other",), 0.4, False),
    )
    file = CheckedFile("m.onnx", "0" * 64)
    return Network(
        name,
        Benchmark(file, 1000, 10**6, file, (), 1, (1, 32), columns, {}, operators, {}),
        {1: Spread.of(floats), 32: Spread.of([4.0])},
        600,
    )


def test_what_keeps_all_expectations_is_not_told() -> None:
    assert list(missed(network())) == []


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        (network(ratio=3.9), "3.90 times as fast as tf2onnx's file at batch 32, not 4"),
        (network(at_one=0.9), "slower than tf2onnx's file at batch 1: 0.90"),
        (network(floats=(0.9, 0.94, 0.99)), "slower than --dialect float at batch 1: 0.94"),
        (network(size=3900), "0.256 of the size"),
        (network(peak=0.69), "69% of the int8 peak, not 70%"),
        (network(differing=1), "1 of 320 outputs differ from model(x), by 0.5 at most"),
    ],
)
def test_each_expectation_is_told_where_it_is_missed(planted: Network, told: str) -> None:
    (text,) = missed(planted)
    assert told in text


def test_narrow_networks_need_no_peak_and_a_softmax_may_round() -> None:
    assert list(missed(network(name="resnet8", peak=0.1))) == []
    assert list(missed(network(name="jet_tagger", differing=9))) == []


def test_networks_that_read_floats_may_round_and_need_not_be_four_times_as_fast() -> None:
    for name in TRAINED:
        assert list(missed(network(name=name, differing=9, ratio=1.1))) == []
        (text,) = missed(network(name=name, floats=(0.5,)))
        assert "slower than --dialect float" in text


def test_what_is_within_the_spread_of_rounds_is_not_slower() -> None:
    assert list(missed(network(floats=(0.9, 0.94, 1.01)))) == []
    assert list(missed(network(floats=(0.96, 0.97, 0.98)))) == []


def test_ratios_of_files_are_those_within_a_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(
        programs: Sequence[Program], threads: int, rounds: int, told: Told
    ) -> tuple[Measured, ...]:
        taken = {"own": [1.0, 10.0], "other": [2.0, 30.0]}
        return tuple(Measured(each, rounds={1: taken[each.name]}) for each in programs)

    monkeypatch.setattr("scripts.bench_inference.measure", measure)
    found = by_turns(tmp_path / "own", tmp_path / "other", {1: tmp_path / "x.npz"}, 2)
    assert found == {1: Spread(2.0, 2.5, 3.0)}


def test_the_table_has_a_row_a_batch() -> None:
    header, small, large = rows([network()], "--vnni")
    assert len(header) == len(small) == len(large)
    name = "`wide_cnn` with `--vnni`"
    assert small == (name, "1", "1.000", "2.00", "9.00", "1.00", "80%", "0.200", "0.120")
    assert large[:6] == (name, "32", "1.000", "5.00", "9.00", "4.00")


def test_only_networks_that_are_named_are_measured() -> None:
    """TensorFlow is not started for those that are trained."""
    assert models(Path("nowhere"), list(TRAINED)) == TRAINED
    assert all(path.is_file() for path in TRAINED.values())


def test_layers_are_told_in_the_order_of_their_cost_with_what_runs_in_floats() -> None:
    text = list(lines(network()))
    assert text[-2].split() == ["60%", "conv:", "QLinearConv"]
    assert text[-1].split() == ["40%", "other:", "Conv", "FLOAT"]
    assert any("TensorFlow Lite failed: no such operator" in line for line in text)
