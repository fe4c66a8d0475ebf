import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import WitnessError
from qconvert.runners import TensorFlowRunner
from qconvert.runners.npz import read_npz, write_npz
from scripts.faulted.witness import enlarge

#: A worker that describes a model with one layer and does with ``run`` what is put in for BODY.
FAKE = """
import json, os, sys
import numpy as np

def reply(answer):
    print(json.dumps(answer), flush=True)

for line in sys.stdin:
    request = json.loads(line)
    i = request["id"]
    if request["do"] == "load":
        x = {"name": "x", "shape": [None, 2], "dtype": "float32"}
        reply({"id": i, "versions": {}, "inputs": [x], "outputs": ["y"], "layers": ["y"]})
    else:
        arrays = {"y": np.zeros((3, 2), "f"), "output:y": np.zeros((3, 2), "f")}
        def write():
            np.savez(request["outputs"], **arrays)
        BODY
"""
HONEST = "write(); reply({'id': i, 'keys': list(arrays)})"
X = {"x": np.zeros((3, 2), np.float32)}

Program = Callable[[str], Path]


def run(python: Path, timeout: float = 60.0) -> None:
    with TensorFlowRunner(Path("model.h5"), python=python, timeout=timeout) as runner:
        runner.run(X)


def test_layers_compute_from_forced_results(models: Path) -> None:
    """Of two calls of a nested model's layer one is forced to zeros, one to what it returns."""
    with np.load(models / "shared_inputs.npz") as arrays:
        inputs = dict(arrays)
    with np.load(models / "shared_expected.npz") as arrays:
        expected = dict(arrays)
    forced = {
        "encoder/act": np.zeros_like(expected["encoder/act"]),
        "encoder@1/act": expected["encoder@1/act"],
    }
    with TensorFlowRunner(models / "shared.h5") as runner:
        trace = runner.run(inputs, forced)
    assert_array_equal(trace.layers["encoder/act"], expected["encoder/act"])
    assert np.any(expected["encoder/act"])
    assert not np.any(trace.layers["late"])
    assert_array_equal(trace.layers["head@1"], expected["head@1"])


def test_a_quantizer_is_run_by_itself(models: Path) -> None:
    """``quantized_relu(4)`` of a model inside the model, by whichever call, and of a layer."""
    x = np.array([-1.0, 0.03, 0.04, 0.95, 99.0] * 2, np.float32)
    expected = np.array([0.0, 0.0, 0.0625, 0.9375, 0.9375] * 2, np.float32)
    with TensorFlowRunner(models / "shared.h5") as runner:
        names = [runner.quantizer(name) for name in ("encoder/act", "encoder@1/act", "late")]
        whole = runner.quantized("encoder/act", x)
        parts = runner.quantized("encoder@1/act", x, 7)
        with pytest.raises(WitnessError, match="no layer nowhere"):
            runner.quantizer("encoder/nowhere")
        with pytest.raises(WitnessError, match="sum ends with no quantizer"):
            runner.quantizer("sum")
    assert names[0] == names[1] and names[0].startswith('quantized_relu({"bits": 4,')
    assert names[2].startswith("quantized_bits(")
    assert_array_equal(whole, expected)
    assert_array_equal(parts, expected)


def test_the_real_worker_answers_everything(models: Path) -> None:
    with np.load(models / "shared_inputs.npz") as arrays:
        inputs = dict(arrays)
    with np.load(models / "shared_expected.npz") as arrays:
        expected = dict(arrays)
    with TensorFlowRunner(models / "shared.h5") as runner:
        model = runner.load()
        trace = runner.run(inputs)
        differences = runner.predict_differences(inputs)
        weights = runner.effective_weights()
    assert dict(model.inputs) == {"b": (None, 4), "a": (None, 4)}
    assert set(trace.layers) == set(model.layers)
    assert_array_equal(trace.layers["head@1"], expected["head@1"])
    assert_array_equal(trace.outputs["sum"], expected["sum"])
    assert differences["sum"].elements == 12
    assert weights["head/kernel"].dtype == np.float32
    assert runner.versions["qkeras"] == "0.9.0"


def test_an_honest_worker_is_believed(program: Program) -> None:
    run(program(FAKE.replace("BODY", HONEST)))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os._exit(3)", "died with exit code 3"),
        ("print('I am fine', flush=True)", "nonsense"),
        ("reply([1])", "something else"),
        ("write(); reply({'id': i - 1, 'keys': list(arrays)})", "something else"),
        ("reply({'id': i, 'keys': list(arrays)})", "no results"),
        ("open(request['outputs'], 'w').write('PK'); reply({'id': i})", "no results"),
        ("arrays['y'] = np.zeros((3, 2)); " + HONEST, "float64"),
        ("del arrays['y']; " + HONEST, r"nothing for \['y'\]"),
        ("del arrays['output:y']; " + HONEST, r"nothing for \['y'\]"),
        ("arrays['output:y'] = np.zeros((1, 2), 'f'); " + HONEST, "batch of 3"),
        ("write(); reply({'id': i, 'keys': ['z']})", "announced"),
        ("reply({'id': i, 'error': 'out of memory', 'type': 'OSError'})", "out of memory"),
        (
            "reply({'id': i, 'error': 'at /src/a.cc:12 0 bytes', 'type': 'Fail'})",
            "Fail: at 0 bytes",
        ),
    ],
)
def test_a_dead_or_lying_worker_is_an_error(program: Program, body: str, message: str) -> None:
    with pytest.raises(WitnessError, match=message):
        run(program(FAKE.replace("BODY", body)))


def test_a_worker_that_describes_nothing_is_an_error(program: Program) -> None:
    answer = json.dumps({"id": 1, "versions": {}, "inputs": [], "outputs": [], "layers": []})
    with pytest.raises(WitnessError, match="did not describe"):
        run(program(f"print({answer!r}, flush=True)\nimport sys; sys.stdin.read()"))


def test_a_dead_worker_is_reported_with_its_last_words(program: Program) -> None:
    talk = "I0000 00:00:1795633218.592257   22294 cudart_stub.cc:31] no GPU"
    lines = [*(f"line {i}" for i in range(99)), talk]
    text = f"import sys\nprint(*{lines!r}, sep='\\n', file=sys.stderr)\nsys.exit(1)"
    with pytest.raises(WitnessError, match=r"(?s)died.*line 95.*line 98") as caught:
        run(program(text))
    assert "line 90" not in str(caught.value)
    assert "GPU" not in str(caught.value)


def test_a_killed_worker_stays_dead(program: Program) -> None:
    fake = program(FAKE.replace("BODY", "os.kill(os.getpid(), 9)"))
    with TensorFlowRunner(Path("model.h5"), python=fake) as runner:
        for _ in range(2):
            with pytest.raises(WitnessError, match="died, killed by signal 9"):
                runner.run(X)


def test_the_interpreter_that_was_named_is_told_with_what_it_does(program: Program) -> None:
    """It may be no Python at all."""
    fake = program("print('__init__.py')")
    with pytest.raises(WitnessError, match=f"^--tf-python {fake}: the worker answered nonsense"):
        run(fake)


def test_a_silent_worker_is_not_waited_for(program: Program) -> None:
    began = time.monotonic()
    with pytest.raises(WitnessError, match=r"no answer in 0\.3 s"):
        run(program("import time; time.sleep(60)"), timeout=0.3)
    assert time.monotonic() - began < 30


def test_the_environment_sets_how_long_is_waited(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QCONVERT_TF_SECONDS", "1")
    silent = program("import time; time.sleep(60)")
    with (
        TensorFlowRunner(Path("model.h5"), python=silent) as runner,
        pytest.raises(WitnessError, match=r"no answer in 1 s \(QCONVERT_TF_SECONDS\)"),
    ):
        runner.load()


@pytest.mark.parametrize("text", ["while True: print('x' * 99)", "while True: print('x', end='')"])
def test_an_endless_answer_does_not_fill_the_memory(
    text: str, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qconvert.runners.process._LONGEST", 1 << 10)
    with TensorFlowRunner(Path("model.h5"), python=program(text)) as runner:
        with pytest.raises(WitnessError, match="answered nonsense"):
            runner.load()
        runner._reader.join(30)
        assert not runner._reader.is_alive() and runner._lines.qsize() < 20


def test_an_array_is_no_larger_than_its_file(tmp_path: Path) -> None:
    """NumPy asks for the memory before it looks for the numbers."""
    write_npz(tmp_path / "x.npz", X)
    assert_array_equal(read_npz(tmp_path / "x.npz")["x"], X["x"])
    enlarge(tmp_path / "x.npz")
    with pytest.raises(ValueError, match="says that its shape is \\(1099511627776, "):
        read_npz(tmp_path / "x.npz")


def test_a_missing_interpreter_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WitnessError, match="did not start"):
        run(tmp_path / "python")


def test_missing_tensorflow_has_a_remedy(program: Program) -> None:
    bare = f"import os, sys; os.execv({sys.executable!r}, ['python', '-S', *sys.argv[1:]])"
    with pytest.raises(WitnessError, match=r"pip install 'qconvert\[tf\]'"):
        run(program(bare))


def test_nothing_is_left_behind(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    threads = threading.active_count()
    run(program(FAKE.replace("BODY", HONEST)))
    # What it has made in a folder of its own is not lost with it.
    killed = "import tempfile; tempfile.mkdtemp(); os.kill(os.getpid(), 9)"
    for body in ("os._exit(3)", killed):
        with pytest.raises(WitnessError):
            run(program(FAKE.replace("BODY", body)))
    with pytest.raises(WitnessError):
        run(tmp_path / "absent")
    assert not list(folder.iterdir())
    assert threading.active_count() == threads
