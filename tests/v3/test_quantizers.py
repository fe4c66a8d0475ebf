"""Every quantizer against the real qkeras-v3, bit for bit (+0 equals -0, NaN NaN)."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.frontend.flavour import Flavour
from qconvert.frontend.quantizer_text import QuantizerError
from qconvert.frontend.quantizers import quantizer
from qconvert.ir import F32
from qconvert.numerics import quantize
from qconvert.runners.npz import write_npz
from tests.conformance.quantizer_cases import (
    AUTOMATIC,
    CASES,
    FUNCTIONS,
    INPUTS,
    LATER,
    LATER_AUTOMATIC,
    SHAPES,
    SHARED,
    SHARING,
    Case,
    weights,
)

SCRIPT: Final = Path(__file__).with_name("quantize.py")
ELEMENTWISE: Final = "elementwise"
#: Options of the release and of master that qkeras-v3's classes do not take.
LACKING: Final = {
    ("quantized_hswish", "use_ste"),
    ("quantized_hswish", "min_po2_exponent"),
    ("quantized_relu", "enable_fast_inference"),
}
#: A single vector, a matrix, a kernel.
TENSORS: Final[dict[str, F32]] = {
    ELEMENTWISE: INPUTS.reshape(-1, 7),
    **{f"{s} {i}": w for s in SHAPES[::2] for i, w in enumerate(weights(s))},
}
KERNELS: Final[dict[str, F32]] = {f"{SHARED} {i}": w for i, w in enumerate(weights(SHARED))}
TASKS: Final[tuple[tuple[Case, str], ...]] = (
    *((case, ELEMENTWISE) for case in (*CASES, *LATER)),
    *((case, key) for case in (*AUTOMATIC, *LATER_AUTOMATIC) for key in TENSORS if "(" in key),
    *((case, key) for case in SHARING for key in KERNELS),
    *((Case(name, {}), ELEMENTWISE) for name in FUNCTIONS),
)
CLASSES: Final = sorted({case.name for case, _ in TASKS} - set(FUNCTIONS))


@pytest.fixture(scope="module")
def theirs(v3_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, F32]:
    """The results of all tasks, by their numbers, but of those at which the real thing fails."""
    folder = tmp_path_factory.mktemp("quantizers")
    tasks, inputs, outputs = (folder / name for name in ("tasks.json", "x.npz", "y.npz"))
    tasks.write_text(json.dumps([(case.name, dict(case.options), key) for case, key in TASKS]))
    write_npz(inputs, TENSORS | KERNELS)
    command = [str(one) for one in (v3_python, SCRIPT, tasks, inputs, outputs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(outputs) as found:
        return {int(number): found[number] for number in found.files}


def compare(case: Case, x: F32, theirs: F32 | None) -> None:
    """Equal results, or a failure there and a refusal here."""
    if any((case.name, option) in LACKING for option in case.options):
        assert theirs is None, case
    elif theirs is None:
        with pytest.raises(QuantizerError):
            case.ours(Flavour.V3)
    else:
        assert_array_equal(quantize(case.ours(Flavour.V3), x), theirs, str(case))


@pytest.mark.parametrize("name", CLASSES)
def test_quantizers(theirs: Mapping[int, F32], name: str) -> None:
    for i, (case, key) in enumerate(TASKS):
        if case.name == name:
            compare(case, (TENSORS | KERNELS)[key], theirs.get(i))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(theirs: Mapping[int, F32], name: str) -> None:
    (number,) = (i for i, (case, _) in enumerate(TASKS) if case.name == name)
    ours = quantizer(name, "other", Flavour.V3)
    assert ours is not None
    assert_array_equal(quantize(ours, TENSORS[ELEMENTWISE]), theirs[number])
