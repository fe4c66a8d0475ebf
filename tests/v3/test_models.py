"""Files of qkeras-v3 and Keras 3 against the real thing, layer by layer and bit for bit."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert import api
from qconvert.frontend import build_graph
from qconvert.ir import F32, Graph
from qconvert.modelfile import read_model
from qconvert.reference import evaluate
from qconvert.runners.npz import write_npz
from qconvert.runners.process import Answer

Ask = Callable[..., Answer]
NAMES = (
    *("dense", "conv", "mask", "average", "folded", "normalization", "transposed"),
    *("depthwise_transposed", "grouped_transposed", "scale_shift", "adaptive", "separable"),
    *("separable_1d", "nested", "functions", "stock", "mobile", "tiny"),
    *("kernel_ternary", "kernel_binary", "kernel_quantized_po2", "kernel_stochastic_ternary"),
)
#: Keras itself cannot load a function of its own from an ``.h5`` file, nor save the other.
FILES = [
    f"{name}.{suffix}"
    for name in NAMES
    for suffix in ("h5", "keras")
    if (name, suffix) not in (("adaptive", "h5"), ("functions", "h5"))
]


def inputs_of(graph: Graph) -> dict[str, F32]:
    rng = np.random.default_rng(1)
    found: dict[str, F32] = {}
    for source in graph.inputs:
        shape = (7, *(length or 1 for length in source.shape[1:]))
        found[source.name] = rng.integers(-512, 513, shape).astype(np.float32) / np.float32(64)
    return found


def test_every_model_is_compared(v3_models: Path) -> None:
    assert {path.stem for path in v3_models.iterdir()} == set(NAMES)


@pytest.mark.parametrize("name", FILES)
def test_layers_and_weights_are_those_of_the_real_model(
    v3_models: Path, v3_worker: Ask, tmp_path: Path, name: str
) -> None:
    graph = build_graph(read_model(v3_models / name))
    inputs = inputs_of(graph)
    write_npz(tmp_path / "x.npz", inputs)
    v3_worker("load", model=v3_models / name)
    v3_worker("run", inputs=tmp_path / "x.npz", outputs=tmp_path / "y.npz")
    v3_worker("weights", outputs=tmp_path / "w.npz")
    values = evaluate(graph, inputs)
    with np.load(tmp_path / "y.npz") as found:
        assert {layer.name for layer in graph.layers} <= set(found)
        for layer in graph.layers:
            assert_array_equal(values[layer.value], found[layer.name], layer.name)
        for output in graph.outputs:
            assert_array_equal(values[output.value], found[f"output:{output.name}"], output.name)
    with np.load(tmp_path / "w.npz") as found:
        ours = {
            f"{layer.name}/{role}": weight
            for layer in graph.layers
            for role, weight in layer.weights.items()
        }
        assert set(found) == set(ours)
        for role, weight in ours.items():
            assert_array_equal(weight.effective, found[role], role)


def test_a_check_with_the_other_interpreter_passes(v3_models: Path, v3_python: Path) -> None:
    report = api.check(v3_models / "transposed.keras", samples=20, tf_python=v3_python)
    assert report.exit_code == 0
    assert "qkeras-v3" in str(report)


def test_a_model_of_qkeras_v3_is_not_run_by_another_qkeras(v3_models: Path) -> None:
    report = api.check(v3_models / "dense.keras", samples=5)
    assert report.exit_code == 5
    assert "written by qkeras-v3" in str(report)


def test_a_stock_model_of_keras_3_runs_beside_qkeras_0_9(v3_models: Path) -> None:
    report = api.check(v3_models / "stock.keras", samples=5)
    assert report.exit_code == 0


def test_a_live_model_keeps_the_activations_that_its_file_loses(
    v3_python: Path, v3_worker: Ask, tmp_path: Path
) -> None:
    script = Path(__file__).with_name("save_live_model.py")
    done = subprocess.run(
        [v3_python, script, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    graph = build_graph(read_model(tmp_path / "live.h5"))
    with np.load(tmp_path / "live.npz") as found:
        truth = dict(found)
    values = evaluate(graph, {"x": truth["x"]})
    assert len(np.unique(truth["separable"])) > 4
    write_npz(tmp_path / "x.npz", {"x": truth["x"]})
    v3_worker("load", model=tmp_path / "live.h5")
    v3_worker("run", inputs=tmp_path / "x.npz", outputs=tmp_path / "y.npz")
    with np.load(tmp_path / "y.npz") as reloaded:
        for name in ("separable", "depthwise"):
            assert_array_equal(values[name], truth[name], name)
            assert_array_equal(reloaded[name], truth[name], name)
    assert "files do not keep" not in str([layer.notes for layer in graph.layers])
