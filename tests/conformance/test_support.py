"""Every supported layer, quantizer and option against QKeras, and the table that says so."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Takes rows away, or adds one of something that QKeras can build, and prints what is amiss.
SEEDED = """
import os
os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
from dataclasses import replace
from qconvert.frontend.layers import LAYERS
from scripts.support import coverage as c

found = [*c.missing()]
rows = [f for f in (*c.ACTIVATIONS, *c.WEIGHTS)]
less = [f for f in rows if f.class_name not in ("quantized_ulaw", "hard_tanh")]
found += c.missing_options(less)
relu = [
    replace(f, cases=tuple(case for case in f.cases if "is_quantized_clip" not in case))
    for f in rows
]
found += c.missing_options(relu)
found += c.missing_layers(LAYERS, [f for f in c.FAMILIES if f.class_name != "Embedding"])
c.QUANTIZERS_ELSEWHERE = {**c.QUANTIZERS_ELSEWHERE, ("quantized_relu", "use_ste"): "nowhere"}
found += c.strange()
print("\\n".join(found))
"""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_case_passes_and_the_table_is_what_was_found() -> None:
    done = run("scripts/support_table.py", "--check")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stdout + done.stderr
    assert done.stdout.endswith(" cases\n")


def test_a_missing_row_is_noticed() -> None:
    done = run("-W", "ignore", "-c", SEEDED)
    assert done.stdout.splitlines() == [
        *(
            f"quantized_ulaw({option}) has no case"
            for option in ("", "bits", "integer", "symmetric", "u")
        ),
        "hard_tanh has no case",
        "quantized_relu(is_quantized_clip) has no case",
        "Embedding has no case",
        "quantized_relu(use_ste) can be built here",
    ], done.stderr


@pytest.mark.parametrize("text", ["quantized_linear", "scale_axis", "keras.ops", "QScaleShift"])
def test_the_table_says_where_the_rest_is_checked(text: str) -> None:
    rows = (ROOT / "docs" / "SUPPORT.md").read_text(encoding="utf-8").split("Of other versions")[1]
    assert text in rows
