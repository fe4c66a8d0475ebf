"""The examples of docs/METADATA.md run as they stand there."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from qconvert import api
from qconvert.cli import run

from .conftest import LAYERS, activation

DOCS = Path(__file__).parents[2] / "docs" / "METADATA.md"


def test_the_hashes_can_be_verified_as_documented(
    write_model: Callable[..., Path], tmp_path: Path
) -> None:
    model = write_model()
    report, nowhere = str(tmp_path / "report.json"), ["--tf-python", "/nowhere/python"]
    assert run(["export", str(model), "--check", *nowhere]) == 5
    assert run(["check", str(model), str(model.with_suffix(".onnx")), "--json", report, *nowhere])
    props = onnx.load(model.with_suffix(".onnx")).metadata_props
    stamp = json.loads(next(e.value for e in props if e.key == "qconvert.check"))
    reading, _, of_file, of_report = examples()
    for example, shown, expected in (
        (reading, "said['schema']", "qconvert.metadata/3"),
        (of_file, "digest", stamp["file"]),
        (of_report, "digest", stamp["report"]),
    ):
        assert shown_by(f"{example}\nprint({shown})", tmp_path) == f"{expected}\n"


@pytest.mark.parametrize(
    ("function", "fields"),
    [
        ("quantized_relu(4,2)", {"exp"}),
        ("quantized_bits(4,1,alpha=1)", {"exp", "zero_point"}),
        ("quantized_relu(4,4)", set()),
        ("softmax", None),
    ],
)
def test_integers_become_the_numbers_of_the_file_of_floats_as_documented(
    write_model: Callable[..., Path], tmp_path: Path, function: str, fields: set[str] | None
) -> None:
    """Also where fields are left out, and of an output that stays float."""
    model = write_model(layers=(*LAYERS, activation("out", function)))
    x = np.random.default_rng(0).integers(0, 16, (64, 3), np.uint8)
    session = onnxruntime.InferenceSession(api.export(model).data)
    (expected,) = session.run(None, {"x": np.ldexp(x.astype(np.float32), -4)})
    api.export(model, tmp_path / "model.onnx", io="quantized")
    np.save(tmp_path / "x.npy", x)
    reading, decoding, *_ = examples()
    given = "\nimport numpy as np\ninputs = {'x': np.load('x.npy')}\n"
    shown = "\nprint(json.dumps([said['outputs'], found['out'].tolist()]))"
    ((output,), found) = json.loads(shown_by(reading + given + decoding + shown, tmp_path))
    np.testing.assert_array_equal(np.array(found, np.float32), expected)
    codes = output.get("codes")
    assert fields == (None if codes is None else {"exp", "zero_point"} & codes.keys())


def examples() -> list[str]:
    return re.findall(r"```py\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def shown_by(program: str, folder: Path) -> str:
    """What a program prints."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout
