"""A part of `scripts/verify_tables.py`: tables against QKeras and as they are exported."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Runs a few settings with every threshold one number too high.
WRONG = """
import sys
import numpy as np
from onnx import numpy_helper
from scripts import verify_tables as script

right = script.exported

def wrong(known):
    model = right(known)
    for tensor in model.graph.initializer:
        if "threshold" in tensor.name:
            moved = np.nextafter(numpy_helper.to_array(tensor), np.float32(np.inf))
            tensor.CopyFrom(numpy_helper.from_array(moved, tensor.name))
    return model

script.exported = wrong
script.settings = lambda quick: [
    script.Setting("quantized_tanh", {"bits": 4, "use_real_tanh": True}),
    script.Setting("quantized_po2", {"bits": 4}),
]
sys.argv.append("--quick")
raise SystemExit(script.main())
"""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_tables_are_qkeras_s_and_exported_as_they_are() -> None:
    done = run("scripts/verify_tables.py", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" settings, 0 differ\n")


def test_a_threshold_beside_the_right_one_is_noticed() -> None:
    done = run("-W", "ignore", "-c", WRONG)
    assert done.returncode == 1, done.stderr
    assert "quantized_po2(bits=4): " in done.stdout
    assert "ONNX Runtime as deployed has" in done.stdout
