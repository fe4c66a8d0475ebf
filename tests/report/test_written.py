"""What is told of a file that was written."""

import os
import subprocess
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from qconvert.report.written import next_line, written


@pytest.mark.parametrize("operator", ["ConvInteger", "MatMulInteger", "QLinearConv"])
def test_operators_on_integers_multiply_quantized_numbers(operator: str) -> None:
    """Beside one on floats."""
    nodes = [
        helper.make_node(operator, ["x", "w"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["floats", "v"], ["y"]),
    ]
    model = helper.make_model(helper.make_graph(nodes, "m", [], []))
    found = written(model, model.SerializeToString(), Path("m.onnx"), 2)
    assert (found.linear, found.of_codes) == (2, 1)


@pytest.mark.parametrize(
    "name",
    [
        b"m.h5",
        b"a b's.h5",
        b"caf\xc3\xa9.h5",
        b"caf\xe9 'x\\n' 1.h5",
        b"esc\x1b[31m\n$(id)`id`.h5",
        b"::error::x.h5",
        b"\xe2\x80\xaegnp.h5",
        b"-m.h5",
        b"--caf\xe9.h5",
    ],
)
def test_the_next_command_can_be_pasted(name: bytes) -> None:
    """Of any name that a file can have; and it acts in no terminal and in no job's log."""
    path = Path(os.fsdecode(name))
    line = next_line(path, path.with_suffix(".onnx"))
    assert line.startswith("next: qconvert check ") and line.isprintable()
    script = line.replace("next: qconvert check", "printf '%s\\0'")
    told = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    words = [name, name.replace(b".h5", b".onnx")]
    assert told.split(b"\0") == [*(b"./" + x if x[:1] == b"-" else x for x in words), b""]
