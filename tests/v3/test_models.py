"""Files of qkeras-v3 and Keras 3 against the real thing, layer by layer and bit for bit."""

import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert import api
from qconvert.checking.results import Report, WitnessResult
from qconvert.checking.rounding import misfits
from qconvert.checking.witness import Witness
from qconvert.emit import to_onnx
from qconvert.frontend import build_graph
from qconvert.frontend.layers import LAYERS
from qconvert.ir import F32, Graph
from qconvert.modelfile import read_model
from qconvert.reference import evaluate
from qconvert.runners.npz import read_npz, write_npz
from qconvert.runners.ort import OrtRunner
from qconvert.runners.process import Answer
from qconvert.runners.reference import ReferenceRunner
from qconvert.runners.traces import Trace
from tests.shared_tensorflow import one_tensorflow
from tests.v3.layer_tables import GROUPS

pytestmark = pytest.mark.usefixtures("forked_reader")

Ask = Callable[..., Answer]
NAMES = (
    *GROUPS,
    *("heads", "states", "operators", "curves"),
    *("dense", "conv", "mask", "average", "folded", "normalization", "transposed"),
    *("depthwise_transposed", "grouped_transposed", "scale_shift", "adaptive", "separable"),
    *("separable_1d", "nested", "functions", "stock", "mobile", "tiny", "channel_scales"),
    *("kernel_ternary", "kernel_binary", "kernel_quantized_po2", "kernel_stochastic_ternary"),
)
#: Keras itself cannot load its functions from an ``.h5`` file, nor save or load these layers.
WITHOUT_H5 = {"adaptive", "archived", "attentions", "curves", "functions", "operators"}
FILES = [
    f"{name}.{suffix}"
    for name in NAMES
    for suffix in ("h5", "keras")
    if suffix == "keras" or name not in WITHOUT_H5
]
#: What Keras 3 and qkeras-v3 do not have, and masks, which are refused there.
ELSEWHERE = {
    "CenterCrop",
    "FQConv2D",
    "FQDense",
    "Masking",
    "PruneLowMagnitude",
    "SlicingOpLambda",
    "TFOpLambda",
    "ThresholdedReLU",
}
#: Models in which libraries round in their own ways.
ROUNDED = {"heads", "curves", *(name for name, group in GROUPS.items() if not group.exact)}


def inputs_of(graph: Graph) -> dict[str, F32]:
    """Multiples of 1/64; rows of a table where the model looks them up."""
    rng = np.random.default_rng(1)
    rows = any(layer.class_name == "Embedding" for layer in graph.layers)
    found: dict[str, F32] = {}
    for source in graph.inputs:
        shape = (7, *(length or 1 for length in source.shape[1:]))
        whole = rng.integers(0, 9, shape) if rows else rng.integers(-512, 513, shape)
        found[source.name] = whole.astype(np.float32) / np.float32(1 if rows else 64)
    return found


@cache
def graph_of(path: Path) -> Graph:
    """Of a file of this run, which several tests ask about."""
    return build_graph(read_model(path))


def test_every_model_is_compared(v3_models: Path) -> None:
    assert {path.stem for path in v3_models.iterdir()} == set(NAMES)


def test_every_class_that_there_is_has_a_model(v3_models: Path) -> None:
    graphs = [graph_of(v3_models / f"{name}.keras") for name in NAMES]
    known = set(LAYERS) - ELSEWHERE
    assert {layer.class_name for graph in graphs for layer in graph.layers} == known


@pytest.mark.parametrize("name", FILES)
def test_layers_and_weights_are_those_of_the_real_model(
    v3_models: Path, v3_worker: Ask, tmp_path: Path, name: str
) -> None:
    graph = graph_of(v3_models / name)
    inputs = inputs_of(graph)
    write_npz(tmp_path / "x.npz", inputs)
    v3_worker("load", model=v3_models / name)
    v3_worker("run", inputs=tmp_path / "x.npz", outputs=tmp_path / "y.npz")
    v3_worker("weights", outputs=tmp_path / "w.npz")
    real = trace_of(read_npz(tmp_path / "y.npz"))
    assert {layer.name for layer in graph.layers} == set(real.layers)
    require_fit(graph, inputs, real, rounded=Path(name).stem in ROUNDED)
    ours = {
        f"{layer.name}/{role}": weight
        for layer in graph.layers
        for role, weight in layer.weights.items()
    }
    theirs = read_npz(tmp_path / "w.npz")
    assert set(theirs) == set(ours)
    for role, weight in ours.items():
        assert_array_equal(weight.effective, theirs[role], role)


@pytest.mark.parametrize("name", NAMES)
def test_exported_models_compute_the_same(v3_models: Path, name: str) -> None:
    graph = graph_of(v3_models / f"{name}.keras")
    runner, inputs = OrtRunner(to_onnx(graph)), inputs_of(graph)
    for found in (runner.run_layers(inputs), runner.run_deployed(inputs)):
        require_fit(graph, inputs, found, rounded=name in ROUNDED)


def trace_of(values: dict[str, F32]) -> Trace:
    """What the worker has recorded: layers, and outputs with a mark before their names."""
    mark = "output:"
    outputs = {k.removeprefix(mark): y for k, y in values.items() if k.startswith(mark)}
    return Trace({k: y for k, y in values.items() if not k.startswith(mark)}, outputs)


def require_fit(graph: Graph, inputs: dict[str, F32], found: Trace, *, rounded: bool) -> None:
    """The reference's results, or within what rounding makes of a layer's own inputs."""
    reference = ReferenceRunner(graph).run(inputs)
    assert set(found.outputs) == set(reference.outputs)
    pairs = [(n, y, reference.layers[n]) for n, y in found.layers.items()]
    pairs += [(n, y, reference.outputs[n]) for n, y in found.outputs.items()]
    for name, theirs, ours in pairs:
        assert theirs.shape == ours.shape, name
        if not rounded:
            assert_array_equal(ours, theirs, name)
    wrong = misfits(graph, inputs, found, reference)
    masks = {**wrong.layers, **wrong.outputs}
    assert not [name for name, mask in masks.items() if mask is not None]


@pytest.fixture(scope="module")
def one_v3(v3_python: Path) -> Iterator[None]:
    """One process of the other interpreter for all checks that ask for it."""
    with one_tensorflow(v3_python):
        yield


@pytest.mark.usefixtures("one_v3")
@pytest.mark.parametrize("name", ["transposed.keras", "grouped_transposed.h5", "cells.keras"])
def test_a_check_with_the_other_interpreter_passes(
    v3_models: Path, v3_python: Path, name: str
) -> None:
    report = api.check(v3_models / name, samples=20, tf_python=v3_python)
    assert report.exit_code == 0
    assert "qkeras-v3" in dict(_tensorflow(report).versions)


def test_a_model_of_qkeras_v3_is_not_run_by_another_qkeras(v3_models: Path) -> None:
    report = api.check(v3_models / "dense.keras", samples=5)
    assert report.exit_code == 5
    assert "written by qkeras-v3" in str(_tensorflow(report).failure)


def _tensorflow(report: Report) -> WitnessResult:
    return next(each for each in report.witnesses if each.witness is Witness.TENSORFLOW)


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
