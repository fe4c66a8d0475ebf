import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import WitnessError
from qconvert.runners.process import WORKER, Answer

Ask = Callable[..., Answer]
Load = Callable[[Path], dict[str, np.ndarray]]
DATA = Path(__file__).parents[1] / "data"
#: Says when Python takes a process apart, and with it all of TensorFlow.
TELLING = "import atexit, sys\natexit.register(print, 'taken apart', file=sys.stderr)"


def sequential(layer: str, config: dict[str, object], module: str | None = None) -> str:
    config = {"name": "layer", "dtype": "float32", **config}
    shape = {"batch_input_shape": [None, 4], "dtype": "float32", "name": "x"}
    layers = [
        {"class_name": "InputLayer", "config": shape},
        {"class_name": layer, "config": config, **({"module": module} if module else {})},
    ]
    return json.dumps({"class_name": "Sequential", "config": {"name": "m", "layers": layers}})


def weights_of(worker: Ask, load: Load, tmp_path: Path, model: Path) -> dict[str, np.ndarray]:
    worker("load", model=model)
    worker("weights", outputs=tmp_path / "weights.npz")
    return load(tmp_path / "weights.npz")


def run(worker: Ask, load: Load, tmp_path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    np.savez(tmp_path / "x.npz", x=x)
    worker("run", inputs=tmp_path / "x.npz", outputs=tmp_path / "y.npz")
    return load(tmp_path / "y.npz")


def test_calls_of_shared_layers_are_numbered_as_in_the_file(
    worker: Ask, models: Path, load: Load, tmp_path: Path
) -> None:
    described = worker("load", model=models / "shared.h5")
    answer = worker("run", inputs=models / "shared_inputs.npz", outputs=tmp_path / "y.npz")
    values, expected = load(tmp_path / "y.npz"), load(models / "shared_expected.npz")
    layers = described["layers"]
    assert isinstance(layers, list)
    # The second call of "head" is executed before the first one.
    assert layers.index("head@1") < layers.index("head")
    assert {"encoder/dense", "encoder@1/dense", "late", "one", "two"} < set(map(str, layers))
    assert set(values) == {*layers, "output:sum"}
    assert answer["keys"] == list(values)
    for name, value in expected.items():
        assert_array_equal(values[name], value, name)
    assert_array_equal(values["output:sum"], expected["sum"])


def test_slices_are_layers_too(worker: Ask, models: Path) -> None:
    layers = worker("load", model=models / "shared.h5")["layers"]
    assert isinstance(layers, list)
    assert "tf.__operators__.getitem" in layers


def test_graph_mode_is_compared_with_eager_mode(worker: Ask, models: Path) -> None:
    worker("load", model=models / "shared.h5")
    answer = worker("predict", inputs=models / "shared_inputs.npz")
    assert answer["differences"] == {"sum": {"different": 0, "elements": 12, "max_abs": 0.0}}


def test_effective_weights_are_quantized(
    worker: Ask, models: Path, load: Load, tmp_path: Path
) -> None:
    weights = weights_of(worker, load, tmp_path, models / "shared.h5")
    expected = load(models / "shared_kernel.npz")
    assert_array_equal(weights["encoder/dense/kernel"], expected["kernel"])
    assert np.any(weights["encoder/dense/kernel"] != expected["raw"])
    assert set(weights) == {
        f"{layer}/{role}" for layer in ("encoder/dense", "head") for role in ("kernel", "bias")
    }


def test_weights_are_matched_with_quantizers_by_name(
    worker: Ask, models: Path, load: Load, tmp_path: Path
) -> None:
    weights = weights_of(worker, load, tmp_path, models / "quantized.h5")
    expected = load(models / "quantized_expected.npz")
    for name, value in expected.items():
        assert_array_equal(weights[name], value, name)
    assert "norm/gamma" not in weights


def test_masks_of_pruned_layers_are_applied(
    worker: Ask, models: Path, load: Load, tmp_path: Path
) -> None:
    weights = weights_of(worker, load, tmp_path, models / "pruned.h5")
    assert_array_equal(
        weights["prune_low_magnitude_dense/kernel"], load(models / "pruned_expected.npz")["kernel"]
    )


def test_weights_inside_other_layers_are_found(
    worker: Ask, models: Path, load: Load, tmp_path: Path
) -> None:
    weights = weights_of(worker, load, tmp_path, models / "wrapped.h5")
    expected = load(models / "wrapped_expected.npz")
    for name, value in expected.items():
        assert weights[name].shape == value.shape
        assert_array_equal(weights[name], value, name)


def test_all_results_of_a_layer_are_recorded(
    worker: Ask, models: Path, load: Load, tmp_path: Path
) -> None:
    worker("load", model=models / "quantized.h5")
    values = run(worker, load, tmp_path, np.arange(144, dtype=np.float32).reshape(2, 6, 6, 2))
    halves = np.split(values["separable"], 2, axis=-1)
    assert np.any(halves[0] != halves[1])
    assert_array_equal(values["tf.split"], halves[0])
    assert_array_equal(values["tf.split:1"], halves[1])


def test_results_and_weights_of_recurrent_layers(
    worker: Ask, models: Path, load: Load, tmp_path: Path
) -> None:
    """Without a quantizer for it QGRU takes the kernel in place of the recurrent kernel."""
    weights = weights_of(worker, load, tmp_path, models / "recurrent.h5")
    described = worker("load", model=models / "recurrent.h5")
    values = run(worker, load, tmp_path, np.ones((2, 4, 3), np.float32))
    assert described["layers"] == ["both", "both:1", "both:2", "both:3"]
    assert set(values) == {*described["layers"], "output:both"}
    assert_array_equal(values["both:3"], values["output:both"])
    roles = ("kernel", "recurrent_kernel", "bias")
    assert set(weights) == {f"both/{way}_{r}" for way in ("forward", "backward") for r in roles}
    for name, value in load(models / "recurrent_expected.npz").items():
        assert_array_equal(weights[f"both/{name}"], value, name)


def test_a_quantizer_stored_as_a_dictionary_is_read(
    worker: Ask, models: Path, load: Load, tmp_path: Path
) -> None:
    worker("load", model=models / "dictionary.keras")
    values = run(worker, load, tmp_path, np.array([[-1, 0.3, 0.9, 9]], np.float32))
    assert_array_equal(values["relu"], np.array([[0, 0.25, 1, 1.75]], np.float32))


def test_archives_of_keras_2_14_are_read(worker: Ask, load: Load, tmp_path: Path) -> None:
    weights = weights_of(worker, load, tmp_path, DATA / "mnist_cnn.keras")
    codes = weights["qdense_1/kernel"] * 8
    assert np.unique(codes).size > 1
    assert_array_equal(codes, np.rint(codes))


def test_an_archive_may_have_any_name(worker: Ask, models: Path, tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes((models / "dictionary.keras").read_bytes())
    assert worker("load", model=tmp_path / "model.zip")["layers"] == ["relu"]


def test_a_legacy_weights_file_may_be_called_weights_h5(worker: Ask, tmp_path: Path) -> None:
    weights = tmp_path / "encoder.weights.h5"
    weights.write_bytes((DATA / "encoder_weights.hdf5").read_bytes())
    assert worker("load", model=DATA / "encoder.json", weights=weights)["outputs"]


def test_dense_batchnorm_computes_with_its_folded_weights(
    worker: Ask, load: Load, tmp_path: Path
) -> None:
    quantizer = "quantized_bits(4,0,1,alpha=1)"
    config = {"units": 3, "kernel_quantizer": quantizer, "bias_quantizer": quantizer, "axis": [1]}
    path = tmp_path / "model.json"
    path.write_text(sequential("QDenseBatchnorm", {**config, "ema_freeze_delay": None}))
    weights = weights_of(worker, load, tmp_path, path)
    x = np.array([[1, 0, 0, 2], [0.5, 1, 0, 0]], np.float32)
    values = run(worker, load, tmp_path, x)
    kernel, bias = weights["layer/kernel"], weights["layer/bias"]
    assert_array_equal(kernel * 8, np.rint(kernel * 8))
    assert_array_equal(values["layer"], x @ kernel + bias)


def test_faults_are_not_injected(worker: Ask, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(sequential("FQDense", {"units": 2, "ber": 0.0, "bit_loc": 0}))
    assert worker("load", model=path)["layers"] == ["layer"]
    path.write_text(sequential("FQDense", {"units": 2, "ber": 0.1, "bit_loc": 0}))
    with pytest.raises(WitnessError, match="fault injection"):
        worker("load", model=path)


@pytest.mark.parametrize(
    ("layer", "config", "module"),
    [
        ("Lambda", {"function": ["4wEAAAA=", None, None], "function_type": "lambda"}, None),
        ("Dense", {"units": 2, "activation": {"class_name": "__lambda__", "config": {}}}, None),
        ("system", {}, "os"),
        ("TFOpLambda", {"function": "io.write_file"}, None),
        ("TFOpLambda", {"function": "py_function"}, None),
    ],
)
def test_code_in_a_model_is_refused(
    worker: Ask, tmp_path: Path, layer: str, config: dict[str, object], module: str | None
) -> None:
    path = tmp_path / "model.json"
    path.write_text(sequential(layer, config, module))
    with pytest.raises(WitnessError, match=r"not (executed|imported)"):
        worker("load", model=path)


def test_wrong_inputs_are_refused(worker: Ask, models: Path, tmp_path: Path) -> None:
    worker("load", model=models / "dictionary.keras")
    with pytest.raises(WitnessError, match="the model takes"):
        worker("run", inputs=models / "shared_inputs.npz", outputs=tmp_path / "y.npz")
    assert not (tmp_path / "y.npz").exists()


def test_states_are_inputs_and_outputs_of_batches_of_any_size(
    worker: Ask, models: Path, load: Load, tmp_path: Path
) -> None:
    """Keras's layers take two samples at once; there are five."""
    described = worker("load", model=models / "stateful.h5")
    inputs = models / "stateful_inputs.npz"
    given, expected = load(inputs), load(models / "stateful_expected.npz")
    taken, returned = described["inputs"], described["outputs"]
    assert isinstance(taken, list) and isinstance(returned, list)
    assert [value["name"] for value in taken if isinstance(value, dict)] == list(given)
    assert {f"output:{name}" for name in returned} == expected.keys() - {"rnn"}
    for _ in range(2):
        worker("run", inputs=inputs, outputs=tmp_path / "y.npz")
        values = load(tmp_path / "y.npz")
        for name, value in expected.items():
            assert_array_equal(values[name], value, name)
    answer = worker("predict", inputs=inputs)["differences"]
    assert isinstance(answer, dict)
    assert list(answer) == returned
    state = answer["rnn/new_state_h"]
    assert isinstance(state, dict) and state["elements"] == 5 * 4


def test_graphs_are_the_same_without_autograph(models: Path) -> None:
    files = [DATA / "mnist_cnn.keras", *sorted(models.glob("*.h5"))]
    script = Path(__file__).with_name("translated_graphs.py")
    done = subprocess.run(
        [sys.executable, str(script), *map(str, files)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    worker, translated = json.loads(done.stdout.splitlines()[-1])
    assert worker == translated
    assert len(set(worker)) == len(files) >= 7


@pytest.mark.parametrize("requests", ["", '{"do": "stop"}\n'])
def test_it_ends_without_taking_tensorflow_apart(requests: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(TELLING, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(WORKER)]
    done = subprocess.run(
        command, input=requests, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("qconvert")] == []
