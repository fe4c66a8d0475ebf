import json
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qconvert.benchmarking import measure as module
from qconvert.benchmarking.evaluate import column
from qconvert.benchmarking.measure import measure
from qconvert.benchmarking.running import Program, Running, Started
from qconvert.errors import LimitError, WitnessError
from qconvert.modelfile import DEFAULT_LIMITS, Limits
from qconvert.runners import process
from qconvert.runners.npz import write_npz
from qconvert.runners.ort_process import MEMORY, SECONDS
from qconvert.runners.process import Answer, Json
from tests.hostile.onnx_edits import endless_loop

#: Starts, and then says that a call took LIE seconds.
LIAR = """
import json, math, sys
for line in sys.stdin:
    request = json.loads(line)
    seconds = LIE if request["do"] == "time" else 1.0
    print(json.dumps({"id": request["id"], "seconds": seconds}), flush=True)
"""

#: Starts, and then has too little memory for REASON.
FULL = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    answer = {"seconds": 1.0} if request["do"] == "start" else {"type": "Fail", "error": REASON}
    print(json.dumps({"id": request["id"], **answer}), flush=True)
"""


class Recorded:
    """A program that only says when it had its turn; ``c`` fails in its second."""

    turns: list[tuple[str, int]] = []  # noqa: RUF012 - one for all, made anew by the fixture

    def __init__(self, program: Program, threads: int) -> None:
        self._name = program.name
        self._threads = threads

    def __enter__(self) -> "Recorded":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def startup(self) -> Started:
        if self._name == "b":
            raise WitnessError("QC727", "b does not start")
        return Started(0.5)

    def time(self, batch: int, seconds: float) -> float:
        if self._name == "c" and ("c", batch) in self.turns:
            raise WitnessError("QC727", "c ends")
        self.turns.append((self._name, batch))
        return float(len(self.turns))

    def peak(self) -> int:
        return self._threads

    def results(self, batch: int, limits: Limits) -> list[np.ndarray[Any, Any]]:
        assert limits is DEFAULT_LIMITS
        return [np.array(batch)]


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    monkeypatch.setattr(Recorded, "turns", found)
    monkeypatch.setattr(module, "Running", Recorded)
    return found


def test_programs_take_turns_and_go_on_where_others_end(turns: list[tuple[str, int]]) -> None:
    inputs = {1: Path("one"), 8: Path("eight")}
    programs = [Program(name, "onnxruntime", Path(name), inputs) for name in "abcd"]
    a, b, c, d = measure(programs, 3, 2, lambda _: None, DEFAULT_LIMITS)
    first = [(name, batch) for name in "acd" for batch in (1, 8)]
    assert turns == first + [(name, batch) for name in "ad" for batch in (1, 8)]
    assert a.rounds == {1: [1.0, 7.0], 8: [2.0, 8.0]}
    assert (a.startup, a.peak, a.failure) == (0.5, 3, None)
    assert a.results is not None
    assert a.results[0] == 8
    assert (str(b.failure), b.rounds, b.results) == ("b does not start", {}, None)
    assert (str(c.failure), c.results) == ("c ends", None)
    assert (d.failure, len(d.rounds[8])) == (None, 2)


@pytest.fixture
def doubling(tmp_path: Path) -> Program:
    """A file of ONNX that doubles what it takes."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"], name="twice")],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    file, inputs = tmp_path / "file.onnx", tmp_path / "inputs.npz"
    onnx.save(model, file)
    write_npz(inputs, {"x": np.arange(6, dtype=np.float32).reshape(2, 3)})
    return Program("file", "onnxruntime", file, {2: inputs})


def test_a_file_runs_in_its_own_process(doubling: Program) -> None:
    with Running(doubling, 1) as program:
        assert 0 < program.startup().seconds < 60
        assert 0 < program.time(2, 0.01) < 60
        (results,) = program.results(2, DEFAULT_LIMITS)
        np.testing.assert_array_equal(results, [[0, 2, 4], [6, 8, 10]])
        ((name, kind, seconds),) = program.profile(2)
        assert (name, kind) == ("twice", "Add")
        assert 0 <= seconds < 60
        assert 10e6 < program.peak() < 10e9


class Talkative(Running):
    """Its process sends whatever it has."""

    def ask(self, do: str, arguments: Mapping[str, Json]) -> Answer:
        return super().ask(do, {**arguments, "most": 1 << 40})


class Reticent(Running):
    """Its process sends nothing."""

    def results(self, batch: int, limits: Limits) -> list[np.ndarray[Any, Any]]:
        try:
            return super().results(batch, limits)
        finally:
            assert not (self.folder / "results.npz").exists()


@pytest.mark.parametrize("kind", [Talkative, Reticent])
def test_outputs_beyond_the_limit_are_neither_sent_nor_read(
    kind: type[Running], doubling: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 bytes of them: two samples of three numbers."""
    monkeypatch.setattr(module, "Running", kind)
    less = DEFAULT_LIMITS.with_values({"tensor-bytes": 23})
    (found,) = measure([doubling], 1, 1, lambda _: None, less)
    assert isinstance(found.uncompared, LimitError) and found.results is None
    assert found.uncompared.coded.startswith("QC320: file: outputs of 24 bytes ")
    assert "--limit tensor-bytes" in str(found.uncompared)
    told = column({1: found}, {1: found}, {1: found}, None)
    assert told.uncompared == found.uncompared.coded
    # What was measured is told all the same.
    assert (len(told.settings[0].timings), told.settings[0].failure) == (1, None)


def test_outputs_up_to_the_limit_are_read(doubling: Program) -> None:
    enough = DEFAULT_LIMITS.with_values({"tensor-bytes": 24})
    (found,) = measure([doubling], 1, 1, lambda _: None, enough)
    assert found.results is not None


def test_outputs_that_are_not_compared_are_not_asked_for(
    doubling: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(Running):
        def ask(self, do: str, arguments: Mapping[str, Json]) -> Answer:
            assert do != "results"
            return super().ask(do, arguments)

    monkeypatch.setattr(module, "Running", Silent)
    (found,) = measure([doubling], 1, 1, lambda _: None)
    assert (found.failure, found.results) == (None, None)


def test_memory_is_the_programs_own(doubling: Program) -> None:
    """Not that of the process that started it, which the system counts for the new one too."""
    ballast = np.ones(1 << 27, np.uint8)  # 128 MiB
    with Running(doubling, 1) as program:
        program.startup()
        assert program.peak() < ballast.nbytes


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_program_that_dies_is_said_and_has_no_figures(
    number: int, doubling: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying(Running):
        def time(self, batch: int, seconds: float) -> float:
            found = super().time(batch, seconds)
            os.kill(self._process.pid, number)
            return found

    monkeypatch.setattr(module, "Running", Dying)
    monkeypatch.setenv(MEMORY, "3000")
    (found,) = measure([doubling], 1, 3, lambda _: None)
    assert found.failure is not None
    assert found.failure.coded.startswith(
        f"QC721: its process died, killed by signal {int(number)}"
    )
    assert f"may allocate 3000 MiB ({MEMORY})" in str(found.failure)
    (setting,) = column({1: found}, {1: found}, {1: found}, None).settings
    assert (setting.timings, setting.peak, setting.failure) == ((), None, found.failure.coded)
    assert found.results is None


def with_large_weights(program: Program) -> Program:
    """The same, and 192 MiB."""
    model = onnx.load(program.file)
    large = onnx.numpy_helper.from_array(np.ones((3, 1 << 24), np.float32), "large")
    model.graph.initializer.append(large)
    model.graph.node.append(helper.make_node("MatMul", ["x", "large"], ["product"]))
    model.graph.output.append(onnx.ValueInfoProto(name="product"))
    onnx.save(model, program.file)
    return program


def test_the_memory_of_programs_is_limited(
    doubling: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = with_large_weights(doubling)
    monkeypatch.setenv(MEMORY, "500")
    (found,) = measure([large], 1, 1, lambda _: None)
    assert found.failure is not None
    assert re.search("(?i)alloc|memory", str(found.failure))
    assert found.results is None
    monkeypatch.setenv(MEMORY, "4000")
    (enough,) = measure([large], 1, 1, lambda _: None)
    assert enough.failure is None


@pytest.mark.parametrize(
    ("batch", "advice"), [(1, "a call with 1 sample {}raise"), (2, "2 samples {}give fewer")]
)
def test_a_batch_that_memory_does_not_suffice_for_is_told(
    batch: int, advice: str, doubling: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, reason = tmp_path / "full.py", "Failed to allocate memory for requested buffer of 9"
    script.write_text(FULL.replace("REASON", repr(reason)), encoding="utf-8")
    monkeypatch.setattr(process, "WORKER", script)
    monkeypatch.setenv(MEMORY, "600")
    (inputs,) = doubling.inputs.values()
    (found,) = measure([replace(doubling, inputs={batch: inputs})], 1, 1, lambda _: None)
    assert found.failure is not None and found.failure.code == "QC727"
    assert advice.format("takes more memory than it may (600 MiB): ") in str(found.failure)
    assert str(found.failure).endswith(f"{MEMORY}; ONNX Runtime failed: {reason}")


def test_the_time_of_onnx_files_is_limited(
    doubling: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(doubling.file)
    endless_loop(model)
    onnx.save(model, doubling.file)
    monkeypatch.setenv(SECONDS, "5")
    (found,) = measure([doubling], 1, 1, lambda _: None)
    assert found.failure is not None
    assert found.failure.coded.startswith("QC722: its process gave no answer in 5 s")
    assert f"take 5 s ({SECONDS})" in str(found.failure)


def test_other_programs_do_not_name_limits_that_they_do_not_have(doubling: Program) -> None:
    with (
        Running(replace(doubling, kind="eager"), 1) as program,
        pytest.raises(WitnessError, match="its process died") as found,
    ):
        os.kill(program._process.pid, signal.SIGKILL)
        program.startup()
    assert MEMORY in str(found.value) and SECONDS not in str(found.value)


@pytest.mark.parametrize("lie", ["-1.0", "0", "math.nan", "math.inf", '"1"', "10**400"])
def test_what_is_no_time_is_no_figure(
    lie: str, doubling: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "liar.py"
    script.write_text(LIAR.replace("LIE", lie), encoding="utf-8")
    monkeypatch.setattr(process, "WORKER", script)
    (found,) = measure([doubling], 1, 1, lambda _: None)
    assert found.failure is not None
    assert found.failure.coded.startswith("QC723: the worker answered no seconds")


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "file.onnx").write_bytes(b"nothing")
    (found,) = measure([Program("f", "onnxruntime", tmp_path / "file.onnx", {})], 1, 1, print)
    assert found.failure is not None
    assert found.failure.coded.startswith("QC726: ONNX Runtime does not load the file: ")
    assert "file.onnx" in str(found.failure)


def test_a_run_that_fails_is_no_file_that_does_not_load(doubling: Program, tmp_path: Path) -> None:
    write_npz(tmp_path / "other.npz", {"x": np.zeros((2, 4), np.float32)})
    wrong = replace(doubling, inputs={2: tmp_path / "other.npz"})
    (found,) = measure([wrong], 1, 1, lambda _: None)
    assert found.failure is not None
    assert found.failure.coded.startswith("QC727: ONNX Runtime failed: ")


def test_a_missing_runtime_is_said_with_its_remedy(
    doubling: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = "raise ModuleNotFoundError(\"No module named 'onnxruntime'\")"
    (tmp_path / "onnxruntime.py").write_text(missing, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (
        Running(doubling, 1) as program,
        pytest.raises(WitnessError, match=r"lacks ONNX Runtime.*'qconvert\[ort\]'"),
    ):
        program.startup()


def test_what_cannot_be_imported_beside_an_onnx_file_is_not_tensorflow(
    doubling: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "failing.py"
    answer = {"id": 1, "type": "ImportError", "error": "import numpy failed"}
    script.write_text(f"print({json.dumps(answer)!r})", encoding="utf-8")
    monkeypatch.setattr(process, "WORKER", script)
    (found,) = measure([doubling], 1, 1, lambda _: None)
    assert found.failure is not None
    assert "import numpy failed; it may allocate" in found.failure.coded
    assert "TensorFlow" not in found.failure.coded


def test_a_process_without_memory_shows_no_frames_of_its_own(
    doubling: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "failing.py"
    script.write_text("raise MemoryError('none left')", encoding="utf-8")
    monkeypatch.setattr(process, "WORKER", script)
    (found,) = measure([doubling], 1, 1, lambda _: None)
    assert found.failure is not None
    assert found.failure.coded.splitlines()[1:] == ["  MemoryError: none left"]
