import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from rich.console import Console

from qconvert.benchmarking import Benchmark
from qconvert.benchmarking.document import to_json
from qconvert.benchmarking.results import Spread, Unlike
from qconvert.benchmarking.table import show
from qconvert.errors import WitnessError

SCHEMA: Final = Path(__file__).parents[2] / "schemas" / "bench.schema.json"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def document(benchmark_: Benchmark) -> Any:
    return json.loads(to_json(benchmark_))


@pytest.fixture
def text(benchmark_: Benchmark) -> str:
    stream = io.StringIO()
    show(benchmark_, Console(file=stream, width=200))
    return stream.getvalue()


def test_a_benchmark_fits_the_schema(
    document: Any, validator: jsonschema.Draft202012Validator
) -> None:
    validator.validate(document)
    timing = document["programs"][1]["settings"][0]["timings"][0]
    assert timing["ratio"] == {"min": 2.0, "median": 3.0, "max": 4.0}
    assert timing["samples_per_second"] == 32 / 0.002
    told = ("differing", "elements", "largest")
    assert [document["programs"][1][name] for name in told] == [2, 320, 0.125]
    assert [document["programs"][0][name] for name in told] == [None, None, None]


def test_a_difference_without_end_is_told_in_json(
    benchmark_: Benchmark, validator: jsonschema.Draft202012Validator
) -> None:
    column = replace(benchmark_.columns[1], unlike=Unlike(1, 1, math.inf))
    document = json.loads(to_json(replace(benchmark_, columns=(column,))))
    validator.validate(document)
    assert document["programs"][0]["largest"] == "inf"


def test_the_schema_refuses_what_lacks_something_or_is_unknown(
    document: Any, validator: jsonschema.Draft202012Validator
) -> None:
    setting = document["programs"][0]["settings"][0]
    del setting["peak_bytes"]
    assert not validator.is_valid(document)
    setting |= {"peak_bytes": 1, "swap": 2}
    assert not validator.is_valid(document)


def test_people_see_times_ratios_and_the_share_of_the_peak(text: str) -> None:
    own, other = (line for line in text.splitlines() if " 2.000 " in line)
    assert own.split()[2:] == ["32", "2.000", "1.000..4.000", "16000", "25%", "5.0", "90"]
    assert other.split()[5:7] == ["3.00", "2.00..4.00"]
    assert "12.50 M multiplications a sample" in text
    assert "210 G multiplications/s" in text


@pytest.mark.parametrize(
    ("least", "median", "largest", "told"),
    [
        (0.0016, 0.0017, 0.0018, "calls of 8 samples take 0.85 of the time a sample that calls of"),
        (0.0016, 0.0017, 0.0021, ""),
        (0.0018, 0.00185, 0.0019, ""),
        (0.003, 0.003, 0.003, ""),
    ],
)
def test_people_see_that_smaller_batches_are_faster(
    benchmark_: Benchmark, least: float, median: float, largest: float, told: str
) -> None:
    """Clearly, in all rounds and by a tenth; here 32 samples take 8 ms."""
    own = benchmark_.columns[0]
    (setting,) = own.settings
    (timing,) = setting.timings
    timings = (
        replace(timing, batch=8, seconds=Spread(least, median, largest)),
        replace(timing, batch=32, seconds=Spread(0.008, 0.008, 0.009)),
    )
    column = replace(own, settings=(replace(setting, timings=timings),))
    stream = io.StringIO()
    show(replace(benchmark_, columns=(column,)), Console(file=stream, width=200))
    assert told in stream.getvalue()
    assert ("fewer at a time" in stream.getvalue()) == bool(told)


def test_people_see_what_ran_and_where(text: str) -> None:
    assert "qconvert 0; m, 2 processors\n" in text


def test_people_see_why_there_is_nothing(text: str) -> None:
    assert "TensorFlow Lite failed" in text
    assert "of hunger" in text
    assert "tf2onnx does not convert the model" in text


def test_people_see_sizes_and_unlike_outputs(text: str) -> None:
    assert "4000 bytes, 4.0 times the file; 2 of 320 outputs differ" in text
    assert "outputs differ from the file's, by 0.125 at most" in text


def test_people_see_which_operators_take_the_time_and_which_are_of_floats(text: str) -> None:
    lines = [line.split() for line in text.splitlines()]
    assert ["QLinearConv", "1", "1.500", "75%"] in lines
    assert ["QLinearConv", "1.500", "75%", "codes", "conv,", "act"] in lines
    assert ["MatMul", "0.500", "25%", "floats", "dense"] in lines


def test_a_program_that_fails_fails_the_command_only_if_none_runs(benchmark_: Benchmark) -> None:
    own, *failed = (benchmark_.columns[i] for i in (0, 2, 3))
    benchmark_.require_beside()
    replace(benchmark_, columns=(own,), against=None).require_beside()
    with pytest.raises(WitnessError, match="no program ran beside it") as found:
        replace(benchmark_, columns=(own, *failed)).require_beside()
    assert found.value.code == "QC732"
    assert found.value.lines[1:] == (
        "  TensorFlow Lite: the worker died",
        "  tf2onnx's file: tf2onnx does not convert the model",
    )


def test_doubts_about_the_model_are_told(document: Any, text: str) -> None:
    assert document["notes"] == ["of another\x1b model"]
    assert "note: of another\\u{1b} model" in text
