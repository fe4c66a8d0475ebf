"""The examples of docs/METADATA.md run as they stand there."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx

from qconvert.cli import run

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
    reading, of_file, of_report = re.findall(r"```py\n(.*?)```", DOCS.read_text(), re.DOTALL)
    for example, shown, expected in (
        (reading, "said['schema']", "qconvert.metadata/3"),
        (of_file, "digest", stamp["file"]),
        (of_report, "digest", stamp["report"]),
    ):
        program = f"{example}\nprint({shown})"
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"{expected}\n"
