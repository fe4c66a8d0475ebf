"""What TensorFlow's process converts, what it refuses, and what is not believed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from qconvert import load
from qconvert.errors import UnsupportedError, WitnessError
from qconvert.frontend.opaque import STOCK, StockLayer
from qconvert.frontend.problems import Unsupported
from qconvert.modelfile import StoredWeight
from qconvert.runners.assistant import Assistant

DATA = Path(__file__).parents[1] / "data"
Program = Callable[[str], Path]
X = StockLayer("UnitNormalization", {"axis": [-1]}, ((None, 4),), ())


@pytest.fixture(scope="module")
def assistant() -> Iterator[Assistant]:
    with Assistant() as assistant:
        yield assistant


@pytest.mark.parametrize(
    ("class_name", "config", "reason"),
    [
        ("Lambda", {"function": ["4wEAAAA=", None, None]}, "holds code"),
        ("LSTM", {"units": 2, "stateful": True}, "stateful=True"),
        ("TimeDistributed", {"layer": None}, "TypeError|ValueError|AttributeError"),
        ("Softmax", {"axis": 1, "no such option": 1}, "TypeError"),
        ("InputSpec", {}, "no layer of Keras's own"),
        ("QDense", {"units": 2}, "no layer of Keras's own"),
        ("os", {}, "no layer of Keras's own"),
        ("Embedding", {"input_dim": 4, "output_dim": 2, "mask_zero": True}, "makes a mask"),
        ("Discretization", {"bin_boundaries": [0.0, 1.0]}, "in int64"),
        ("EinsumDense", {"equation": "ab,bc->ac", "output_shape": 2, "activation": "evil"}, "evil"),
        ("CenterCrop", {"height": 1, "width": 1}, "ValueError"),
    ],
)
def test_what_is_no_pure_stock_layer_is_refused(
    assistant: Assistant, class_name: str, config: dict[str, object], reason: str
) -> None:
    with pytest.raises(Unsupported, match=reason):
        assistant.to_opaque(StockLayer(class_name, config, ((None, 4),), ()))


def test_weights_that_do_not_fit_are_refused(assistant: Assistant) -> None:
    config = {"equation": "ab,bc->ac", "output_shape": 2}
    weights = (StoredWeight("kernel", np.zeros((2, 4), np.float32)),)
    with pytest.raises(Unsupported, match=r"takes weights .*4, 2"):
        assistant.to_opaque(StockLayer("EinsumDense", config, ((None, 4),), weights))


def test_a_folder_that_is_no_keras_model_is_refused(assistant: Assistant, tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(UnsupportedError, match="describes no Keras model"):
        assistant.to_h5(tmp_path, tmp_path / "model.h5")
    (tmp_path / "keras_metadata.pb").write_bytes(b"\xff\xff")
    with pytest.raises(UnsupportedError, match="DecodeError"):
        assistant.to_h5(tmp_path, tmp_path / "model.h5")


def test_code_in_a_folder_is_refused(assistant: Assistant, tmp_path: Path) -> None:
    code = {"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAAA=", None, None]}}
    model = {"class_name": "Sequential", "config": {"name": "m", "layers": [code]}}
    text = json.dumps(model).encode()
    # SavedMetadata.nodes = 1 {node_id = 2: 0; metadata = 5}, as protobuf writes it.
    node = b"\x2a" + bytes([len(text) % 128 + 128, len(text) // 128]) + text
    length = bytes([len(node) % 128 + 128, len(node) // 128])
    (tmp_path / "keras_metadata.pb").write_bytes(b"\x0a" + length + node)
    with pytest.raises(UnsupportedError, match="Lambda contains Python code"):
        assistant.to_h5(tmp_path, tmp_path / "model.h5")


def test_nothing_is_started_for_nothing(tmp_path: Path) -> None:
    graph = load(DATA / "jet_mlp.h5", opaque="tf2onnx", tf_python=tmp_path / "no python")
    assert not graph.opaque


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({}, "wrote no ONNX model"),
        ({"error": "died", "type": "OSError"}, "died"),
        ({"error": "No module named tf2onnx", "type": "ModuleNotFoundError"}, "pip install"),
    ],
)
def test_a_lying_worker_is_an_error(program: Program, answer: object, message: str) -> None:
    text = f"import sys\nfor _ in sys.stdin: print({json.dumps(answer)!r}, flush=True)"
    text = text.replace("{", '{"id": 1' + (", " if answer else ""), 1)
    with Assistant(program(text)) as assistant, pytest.raises(WitnessError, match=message):
        assistant.to_opaque(X)


def test_a_missing_interpreter_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WitnessError, match="did not start"), Assistant(tmp_path / "python"):
        pass


def test_all_listed_layers_are_keras_s_own(assistant: Assistant) -> None:
    """A name that Keras lacks would be answered as such."""
    for name in sorted(STOCK):
        with pytest.raises(Unsupported) as raised:
            assistant.to_opaque(StockLayer(name, {"no such option": 1}, ((None, 4),), ()))
        assert "no layer of Keras's own" not in str(raised.value)
        assert "holds code" not in str(raised.value)
