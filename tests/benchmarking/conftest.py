import pytest

from qconvert.benchmarking import Benchmark
from qconvert.benchmarking.results import Column, Operator, Setting, Spread, Timing, Unlike
from qconvert.checking.results import CheckedFile


@pytest.fixture
def benchmark_() -> Benchmark:
    """A file beside one program that runs and two that do not."""
    seconds, ratio = Spread(0.001, 0.002, 0.004), Spread(2.0, 3.0, 4.0)
    own = Setting(1, 0.005, 90_000_000, (Timing(32, seconds, None, Spread(0.1, 0.25, 0.5)),))
    other = Setting(1, 6.0, 800_000_000, (Timing(32, seconds, ratio, None),))
    ended = Setting(1, None, None, (), "the worker died\n  of hunger")
    return Benchmark(
        file=CheckedFile("m.onnx", "0" * 64),
        bytes=1000,
        macs=12_500_000,
        against=CheckedFile("m.h5", "1" * 64),
        notes=("of another\x1b model",),
        rounds=3,
        batches=(32,),
        columns=(
            Column("ONNX Runtime", 1000, (own,)),
            Column("TensorFlow", 4000, (other,), Unlike(2, 320, 0.125)),
            Column("TensorFlow Lite", None, (ended,)),
            Column("tf2onnx's file", None, (), failure="tf2onnx does not convert the model"),
        ),
        peak={1: Spread(2e11, 2.1e11, 2.2e11)},
        operators=(
            Operator("conv", "QLinearConv", ("conv", "act"), 0.0015, True),
            Operator("dense", "MatMul", ("dense",), 0.0005, False),
            Operator("move", "Transpose", (), 0.00001, None),
        ),
        environment={"qconvert": "0", "machine": "m", "processor": "", "processors": "2"},
    )
