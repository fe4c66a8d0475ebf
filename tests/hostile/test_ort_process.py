"""A process of ONNX Runtime that dies, lies, or is silent is a witness that failed."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import LimitError, OutputError, UsageError, WitnessError
from qconvert.modelfile import DEFAULT_LIMITS
from qconvert.runners import ort_process as processes
from qconvert.runners.ort import OrtRunner
from qconvert.runners.ort_process import MEMORY, SECONDS, OrtLimits, OrtProcess

X = {"x": np.array([[0.5, 0.25, 1]], np.float32)}

#: Answers as the worker does, except for what a test puts in the place of RUN.
LIAR = """
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    answer = {"id": request["id"], "inputs": {"x": "tensor(float)"}, "outputs": ["y"]}
    if request["do"] == "run":
        open(request["outputs"], "wb").write(bytes(4))
        RUN
    print(json.dumps(answer), flush=True)
"""
ARRAYS = 'answer["arrays"] = '
LIES = {
    "garbage": ('print("[1, 2")', "QC723", "answered nonsense"),
    "another id": ('answer["id"] = 99', "QC723", "answered something else"),
    "exit without a result": ("os._exit(0)", "QC721", "died with exit code 0"),
    "killed": ("os.kill(os.getpid(), 9)", "QC721", "killed by signal 9"),
    "a crash": ("os.kill(os.getpid(), 11)", "QC721", "killed by signal 11"),
    "silence": ("time.sleep(60)", "QC722", "no answer in 2 s"),
    "no arrays": ("pass", "QC723", "wrote [], not"),
    "other arrays": (f'{ARRAYS}[["z", "<f4", [1]]]', "QC723", "wrote ['z'], not"),
    "too few bytes": (f'{ARRAYS}[["y", "<f4", [1 << 40]]]', "QC723", "wrote no results"),
    "a negative size": (f'{ARRAYS}[["y", "<f4", [-1]]]', "QC723", "wrote no results"),
    "no shape": (f'{ARRAYS}[["y", "<f4", "x"]]', "QC723", "wrote no results"),
    "Python objects": (f'{ARRAYS}[["y", "|O", [0]]]', "QC723", "wrote no results"),
    "texts": (f'{ARRAYS}[["y", "|S4", [1]]]', "QC723", "wrote no results"),
    "dates": (f'{ARRAYS}[["y", "<M4[s]", [1]]]', "QC723", "wrote no results"),
    "no such type": (f'{ARRAYS}[["y", "evil", [1]]]', "QC723", "wrote no results"),
    "no file": ('os.unlink(request["outputs"])', "QC723", "wrote no results"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_process_that_lies_is_not_believed(
    name: str, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, code, words = LIES[name]
    script = tmp_path / "liar.py"
    script.write_text(LIAR.replace("RUN", body), encoding="utf-8")
    monkeypatch.setattr(processes, "_SCRIPT", script)
    with OrtProcess(OrtLimits(1 << 30, 2)) as process:
        session = process.session(exported, optimized=True)
        with pytest.raises(WitnessError) as found:
            session.run(X)
    assert found.value.code == code and words in str(found.value)


def test_a_liar_that_tells_the_truth_is_believed(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "liar.py"
    script.write_text(LIAR.replace("RUN", f'{ARRAYS}[["y", "<f4", [1]]]'), encoding="utf-8")
    monkeypatch.setattr(processes, "_SCRIPT", script)
    with OrtProcess(OrtLimits(1 << 30, 20)) as process:
        assert_array_equal(process.session(exported, optimized=True).run(X)["y"], [0])


def test_outputs_beyond_the_limit_are_not_sent(exported: Path) -> None:
    less = DEFAULT_LIMITS.with_values({"tensor-bytes": 3})
    with OrtProcess(OrtLimits(1 << 30, 20)) as process:
        session = process.session(exported, optimized=True)
        with pytest.raises(LimitError, match=r"the output .* bytes: .*--limit tensor-bytes") as e:
            session.run(X, less)
        assert e.value.code == "QC320"
        # That is no end of the process.
        assert session.run(X)


def test_outputs_beyond_the_limit_are_not_read(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, large = tmp_path / "liar.py", 'os.truncate(request["outputs"], 1000); '
    told = f'{large}{ARRAYS}[["y", "<f4", [1]]]'
    script.write_text(LIAR.replace("RUN", told), encoding="utf-8")
    monkeypatch.setattr(processes, "_SCRIPT", script)
    less = DEFAULT_LIMITS.with_values({"tensor-bytes": 4})
    with OrtProcess(OrtLimits(1 << 30, 20)) as process:
        session = process.session(exported, optimized=True)
        with pytest.raises(LimitError, match="1 outputs of 1,000 bytes") as found:
            session.run(X, less)
    assert found.value.code == "QC320"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_after_a_death_a_file_fails_and_the_next_one_runs(
    number: int, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECONDS, "60")
    runner = OrtRunner(exported)
    before = runner.run_deployed(X)
    process = processes.ort_process()
    os.kill(process._process.pid, number)
    process._process.wait()
    for _ in range(2):
        with pytest.raises(WitnessError, match=f"died, killed by signal {int(number)}"):
            runner.run_deployed(X)
    assert processes.ort_process() is not process
    assert_array_equal(OrtRunner(exported).run_deployed(X).outputs["fc"], before.outputs["fc"])


def test_memory_is_limited(exported: Path) -> None:
    """As a file of weights that ONNX Runtime copies; without the limit it is loaded."""
    model = onnx.load(exported)
    large = onnx.numpy_helper.from_array(np.ones((3, 1 << 24), np.float32), "large")
    model.graph.initializer.append(large)
    model.graph.node.append(onnx.helper.make_node("MatMul", ["x", "large"], ["product"]))
    model.graph.output.append(onnx.ValueInfoProto(name="product"))
    with (
        OrtProcess(OrtLimits(500 << 20, 60)) as small,
        pytest.raises(WitnessError, match=r"(?i)alloc|memory"),
    ):
        small.session(model, optimized=True).run(X)
    with OrtProcess(OrtLimits(4 << 30, 60)) as large_enough:
        assert large_enough.session(model, optimized=True).run(X)["product"].size == 1 << 24


def filled(operator: str) -> onnx.ModelProto:
    """A file of a few bytes whose constant is of 64 GiB."""
    sizes = onnx.numpy_helper.from_array(np.array([1 << 17, 1 << 17]), "sizes")
    node = onnx.helper.make_node(operator, ["sizes"] if operator == "ConstantOfShape" else
                                 ["x", "sizes"], ["large"])  # fmt: skip
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1])
    sum_ = onnx.helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0)
    y = onnx.helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, [])
    graph = onnx.helper.make_graph([node, sum_], "g", [x], [y], [sizes])
    opsets = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize("operator", ["ConstantOfShape", "Expand", "Tile"])
def test_small_files_do_not_fill_the_machine(operator: str) -> None:
    """Nor does the message tell where ONNX Runtime was built."""
    with (
        OrtProcess(OrtLimits(1 << 30, 60)) as process,
        pytest.raises(WitnessError, match=r"(?i)alloc|memory|bytes") as found,
    ):
        session = process.session(filled(operator), optimized=True)
        session.run({"x": np.ones((1, 1), np.float32)})
    assert "/onnxruntime" not in str(found.value) and ".cc:" not in str(found.value)


def test_half_of_a_small_machine_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MEMORY, raising=False)
    for machine, allowed in ((4 << 30, 2 << 30), (64 << 30, 8192 << 20)):
        monkeypatch.setattr(processes, "_machine_memory", lambda machine=machine: machine)
        assert OrtLimits.from_environment().memory == allowed
    monkeypatch.setenv(MEMORY, "9000")
    assert OrtLimits.from_environment().memory == 9000 << 20


def test_the_process_has_its_limits(exported: Path) -> None:
    """Also that of time, which ends it where its parent is gone."""
    kinds = (resource.RLIMIT_DATA, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE)
    with OrtProcess(OrtLimits(1 << 30, 60)) as process:
        process.session(exported, optimized=True)
        number = process._process.pid
        found = [resource.prlimit(number, kind)[0] for kind in kinds]
        seconds, _ = resource.prlimit(number, resource.RLIMIT_CPU)
        files, _ = resource.prlimit(number, resource.RLIMIT_NOFILE)
    assert found == [1 << 30, 1 << 30, 0] and files <= 256
    assert 60 <= seconds < 60 * (os.cpu_count() or 1) + 60


def test_sessions_that_nobody_has_are_freed(exported: Path) -> None:
    with OrtProcess(OrtLimits(1 << 30, 60)) as process:
        session = process.session(exported, optimized=True)
        number = session._number
        session.run(X)
        del session
        process.session(exported, optimized=True)
        with pytest.raises(WitnessError, match="KeyError"):
            process.asked("run", session=number, arrays=[], inputs="/dev/null", outputs="/dev/null")


def test_many_threads_may_ask(exported: Path) -> None:
    runner = OrtRunner(exported)
    found: list[float] = []

    def ask(value: float) -> None:
        x = {"x": np.full((1, 3), value, np.float32)}
        for _ in range(20):
            found.append(float(runner.run_deployed(x).outputs["fc"][0, 0]) / value)

    threads = [threading.Thread(target=ask, args=(value,)) for value in (0.25, 0.5, 0.125)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 60 and len(set(found)) == 1


def test_nothing_is_left_of_the_process(exported: Path) -> None:
    with OrtProcess(OrtLimits(1 << 30, 60)) as process:
        process.session(exported, optimized=True).run(X)
        assert list(process.folder.iterdir()) == [process.folder / "log"]
    assert not process.folder.exists() and process._process.returncode is not None


@pytest.mark.parametrize("wanted", [False, True])
def test_onnx_runtime_keeps_no_records_unless_they_are_wanted(
    wanted: bool, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # ONNX Runtime keeps none where a variable of the environment says that this is CI.
    for name in set(os.environ) - {"PATH", "PYTHONPATH"}:
        monkeypatch.delenv(name)
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    if wanted:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    with OrtProcess(OrtLimits(1 << 30, 60)) as process:
        process.session(exported, optimized=True).run(X)
    assert bool(list(tmp_path.iterdir())) is wanted


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "many", "9" * 30])
def test_limits_are_whole_numbers(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (MEMORY, SECONDS):
        monkeypatch.setenv(name, text)
        with pytest.raises(UsageError, match=name):
            OrtLimits.from_environment()
        monkeypatch.delenv(name)


def test_the_worker_is_no_child_of_a_fork(exported: Path) -> None:
    """A forked process that ends leaves that of its parent alone."""
    runner = OrtRunner(exported)
    runner.run_deployed(X)
    process = processes.ort_process()
    processes._close(process, os.getpid() + 1)
    assert not process.ended
    runner.run_deployed(X)


#: Starts the process, tells its number and folder, and has it compute without end.
PARENT = """
import sys
from pathlib import Path
import numpy as np
from qconvert.runners.ort import OrtRunner
from qconvert.runners.ort_process import ort_process
process = ort_process()
print(process._process.pid, process.folder, flush=True)
OrtRunner(Path(sys.argv[1])).run_deployed({"x": np.zeros((1, 3), np.float32)})
print("done", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_process_ends_with_its_parent(number: signal.Signals, exported: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(exported)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child, folder = parent.stdout.readline().split()
    assert parent.stdout.readline() == "done\n"
    parent.send_signal(number)
    parent.communicate()
    for _ in range(200):
        if not Path(f"/proc/{child}/cmdline").exists() and not Path(folder).exists():
            return
        time.sleep(0.05)
    pytest.fail("the process, or its folder, is still there")


def test_a_full_disk_is_no_fault_of_the_file(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="could not write it") as found:
        processes.ort_process().session(exported, optimized=True, saved=tmp_path / "full")
    assert found.value.code == "QC602"


def test_a_file_that_is_refused_is_no_fault_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no file of ONNX")
    with pytest.raises(WitnessError, match="does not load the file") as found:
        processes.ort_process().session(
            tmp_path / "bad.onnx", optimized=True, saved=tmp_path / "saved.onnx"
        )
    assert found.value.code == "QC726"
