"""Whatever runs an ONNX file takes no larger results than the user's limit allows."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import onnx
import pytest

from qconvert.api import repairing
from qconvert.checking import assemble
from qconvert.checking.witness import Panel
from qconvert.cli import run
from qconvert.ir import Graph
from qconvert.modelfile import DEFAULT_LIMITS, Limits
from qconvert.runners.ort_process import Session
from tests.hostile.commands.onnx_files import DIFFERENT
from tests.hostile.commands.subjects import WITNESS, checked, exported, model

BYTES: Final = 123 << 20


def of_others(file: onnx.ModelProto) -> None:
    del file.metadata_props[:]


def different(folder: Path) -> list[str | Path]:
    edit, _ = next(iter(DIFFERENT.values()))
    return checked(folder, exported(folder, edit), "--reproducer", folder / "reproducer")


#: Commands, with the calls by which each of them runs a file.
COMMANDS: Final[Mapping[str, Callable[[Path], list[str | Path]]]] = {
    "check": lambda folder: checked(folder),
    "check --reproducer": different,
    "check --repair": lambda folder: checked(folder, "--repair", folder / "new.onnx"),
    "check of others": lambda folder: checked(folder, exported(folder, of_others)),
    "explain": lambda folder: ["explain", model(folder), "--layer", "fc", "--tf-python", "/no"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_limit_of_results_reaches_all_that_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    right = Session.run

    def spied(self: Session, arrays: Any, limits: Limits = DEFAULT_LIMITS) -> Any:
        seen.append(limits.tensor_bytes)
        return right(self, arrays, limits)

    for variable, value in WITNESS.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(Session, "run", spied)
    words = [str(word) for word in COMMANDS[name](tmp_path)]
    assert run([*words, "--limit", f"tensor-bytes={BYTES}"]) in (0, 1)
    assert set(seen) == {BYTES}


def test_a_repair_runs_within_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def spied(graph: Graph, file: onnx.ModelProto, tensorflow: Any, *, limits: Limits) -> Panel:
        seen.append(limits.tensor_bytes)
        return assemble(graph, file, tensorflow, limits=limits)

    monkeypatch.setattr(repairing, "assemble", spied)
    monkeypatch.setenv("FAULT", "")
    words = [str(word) for word in COMMANDS["check --repair"](tmp_path)]
    assert run([*words, "--limit", f"tensor-bytes={BYTES}"]) == 0
    assert set(seen) == {BYTES}
