from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.testing import assert_array_equal
from onnx import TensorProto, helper, numpy_helper

from qconvert.emit.metadata import (
    CodesTensor,
    LayerTensor,
    ModelMetadata,
    OutputTensor,
    add_metadata,
)
from qconvert.errors import WitnessError
from qconvert.ir import F32
from qconvert.runners import OrtRunner
from qconvert.runners.cutting import cut
from qconvert.runners.ort_worker.__main__ import Worker

RNG = np.random.default_rng(1)
KERNEL = RNG.integers(-7, 8, (4, 2, 1, 1)).astype(np.float32) / 8
X: dict[str, F32] = {"x": (RNG.integers(-64, 65, (3, 2, 5, 5)) / 16).astype(np.float32)}


def model(*, metadata: bool = True, layer_tensor: str = "conv") -> onnx.ModelProto:
    """A 1x1 convolution, a quantizer to uint8 with scale 1/16 and zero point 3, and a copy."""
    weights = {"kernel": KERNEL, "scale": np.float32(1 / 16), "zero": np.uint8(3)}
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["conv"]),
        helper.make_node("QuantizeLinear", ["conv", "scale", "zero"], ["codes"]),
        helper.make_node("DequantizeLinear", ["codes", "scale", "zero"], ["act"]),
        helper.make_node("Transpose", ["act"], ["y"], perm=[0, 2, 3, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 5, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5, 5, 4])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    if metadata:
        to_last = (0, 2, 3, 1)
        layers = (
            LayerTensor("drop", "Dropout", "x", to_last, None),
            LayerTensor("conv", "QConv2D", layer_tensor, to_last, None),
            LayerTensor("act", "QActivation", "act", to_last, CodesTensor("codes", -4, 3)),
            LayerTensor("again", "Dropout", None, to_last, CodesTensor("codes", -4, 3)),
            LayerTensor("out", "Permute", "y", None, None),
        )
        add_metadata(proto, ModelMetadata(layers))
    return proto


def expected() -> tuple[np.ndarray, np.ndarray]:
    conv = np.einsum("nchw,oc->nhwo", X["x"], KERNEL[:, :, 0, 0])
    act = (np.clip(np.rint(conv * 16) + 3, 0, 255) - 3) / 16
    return conv.astype(np.float32), act.astype(np.float32)


def test_every_layer_comes_in_keras_layout() -> None:
    conv, act = expected()
    trace = OrtRunner(model()).run_layers(X)
    assert list(trace.layers) == ["drop", "conv", "act", "again", "out"]
    assert_array_equal(trace.layers["drop"], X["x"].transpose(0, 2, 3, 1))
    assert_array_equal(trace.layers["conv"], conv)
    for name in ("act", "again", "out"):
        assert_array_equal(trace.layers[name], act)
    assert_array_equal(trace.outputs["y"], act)
    assert list(trace.outputs) == ["y"]


def test_the_deployed_run_has_outputs_only() -> None:
    trace = OrtRunner(model()).run_deployed(X)
    assert not trace.layers
    assert list(trace.outputs) == ["y"]
    assert_array_equal(trace.outputs["y"], expected()[1])


def test_taps_on_codes_give_values() -> None:
    trace = OrtRunner(model()).run_tapped(X)
    assert_array_equal(trace.layers["act"], expected()[1])
    assert list(trace.layers) == ["act", "again"]
    assert_array_equal(trace.outputs["y"], expected()[1])


def test_a_model_runs_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(model(), path)
    runner = OrtRunner(path)
    assert_array_equal(runner.run_deployed(X).outputs["y"], expected()[1])
    assert_array_equal(runner.run_layers(X).layers["conv"], expected()[0])


def test_the_model_itself_is_not_changed() -> None:
    proto = model()
    before = proto.SerializeToString(deterministic=True)
    runner = OrtRunner(proto)
    runner.run_layers(X)
    runner.run_tapped(X)
    assert proto.SerializeToString(deterministic=True) == before


def test_a_file_without_metadata_has_outputs() -> None:
    runner = OrtRunner(model(metadata=False))
    assert runner.layers == ()
    assert list(runner.run_layers(X).outputs) == ["y"]
    assert_array_equal(runner.run_deployed(X).outputs["y"], expected()[1])


@pytest.mark.parametrize(("name", "found"), [("x", "x"), ("keras", "y")])
def test_an_output_may_have_another_name_only_if_an_input_has_its_own(
    name: str, found: str
) -> None:
    proto = model(metadata=False)
    add_metadata(proto, ModelMetadata((), (OutputTensor(name, "y"),)))
    runner = OrtRunner(proto)
    for run in (runner.run_layers, runner.run_tapped, runner.run_deployed):
        assert list(run(X).outputs) == [found]


def test_a_layer_whose_axes_do_not_fit_is_an_error() -> None:
    proto = model(metadata=False)
    add_metadata(proto, ModelMetadata((LayerTensor("out", "Permute", "y", (1, 0), None),)))
    with pytest.raises(WitnessError, match="out: 4 axes"):
        OrtRunner(proto).run_layers(X)


def test_operators_are_those_after_optimization() -> None:
    twice = model()
    twice.graph.node[3].input[0] = "copy"
    twice.graph.node.insert(3, helper.make_node("Identity", ["act"], ["copy"]))
    operators = OrtRunner(twice).optimized_operators()
    assert "Identity" not in operators
    assert operators["QuantizeLinear"] == 1
    assert OrtRunner(twice).optimized_operators(tapped=True)["QuantizeLinear"] == 1


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    runner = OrtRunner(model())
    runner.run_deployed(X)
    runner.optimized_operators()
    assert capfd.readouterr() == ("", "")


def test_a_layer_whose_tensor_does_not_exist_is_an_error() -> None:
    with pytest.raises(WitnessError, match="does not load"):
        OrtRunner(model(layer_tensor="gone")).run_layers(X)


def test_a_layer_of_integers_is_an_error() -> None:
    with pytest.raises(WitnessError, match="conv: the tensor codes is uint8"):
        OrtRunner(model(layer_tensor="codes")).run_layers(X)


def test_codes_that_are_floats_are_an_error() -> None:
    proto = model(metadata=False)
    layer = LayerTensor("act", "QActivation", "act", None, CodesTensor("conv", -4, 3))
    add_metadata(proto, ModelMetadata((layer,)))
    with pytest.raises(WitnessError, match="codes conv are float32"):
        OrtRunner(proto).run_tapped(X)


@pytest.mark.parametrize("inputs", [{}, {"z": X["x"]}, {**X, "z": X["x"]}])
def test_inputs_of_other_names_are_an_error(inputs: dict[str, F32]) -> None:
    with pytest.raises(WitnessError, match="takes"):
        OrtRunner(model()).run_deployed(inputs)


def test_inputs_of_another_shape_are_an_error() -> None:
    with pytest.raises(WitnessError, match="failed"):
        OrtRunner(model()).run_deployed({"x": np.zeros((1, 3, 5, 5), np.float32)})


def test_a_file_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(WitnessError, match="cannot be read"):
        OrtRunner(path)


def test_missing_onnxruntime_has_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "raise ModuleNotFoundError(\"No module named 'onnxruntime'\")"
    (tmp_path / "onnxruntime.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("QCONVERT_ORT_SECONDS", "60")  # a process of its own
    with pytest.raises(WitnessError, match=r"pip install 'qconvert\[ort\]'"):
        OrtRunner(model()).run_deployed(X)


def test_readers_of_a_forced_layer_get_the_forced_result() -> None:
    """The layer itself still shows what it computes."""
    forced = {"conv": np.full((3, 5, 5, 4), 0.5, np.float32)}
    conv, act = expected()
    trace = OrtRunner(model()).run_layers(X, forced)
    assert_array_equal(trace.layers["conv"], conv)
    assert_array_equal(trace.layers["act"], forced["conv"])
    assert_array_equal(trace.layers["out"], forced["conv"].transpose(0, 1, 2, 3))
    assert not np.array_equal(act, forced["conv"])


def test_a_forced_layer_is_forced_as_codes_and_as_floats() -> None:
    value = (np.arange(300).reshape(3, 5, 5, 4) % 16 / 16).astype(np.float32)
    forced = {"act": value, "again": value}
    runner = OrtRunner(model())
    _, act = expected()
    assert not np.array_equal(act, value)
    for run in (runner.run_layers, runner.run_tapped):
        trace = run(X, forced)
        assert_array_equal(trace.layers["act"], act)
        assert_array_equal(trace.outputs["y"], value)


def test_results_that_are_no_codes_cannot_be_forced() -> None:
    value = np.full((3, 5, 5, 4), 0.01, np.float32)
    with pytest.raises(WitnessError, match="act: forced results are not multiples of"):
        OrtRunner(model()).run_layers(X, {"act": value, "again": value})


def test_a_forced_layer_of_floats_shows_nothing_of_the_deployed_file() -> None:
    trace = OrtRunner(model()).run_tapped(X, {"conv": np.zeros((3, 5, 5, 4), np.float32)})
    assert (trace.layers, trace.outputs) == ({}, {})


def test_a_layer_that_the_file_has_not_is_left_out() -> None:
    proto = model(metadata=False)
    layers = (
        LayerTensor("rnn", "QLSTM", None, None, None),
        LayerTensor("out", "Permute", "y", None, None),
    )
    add_metadata(proto, ModelMetadata(layers))
    assert list(OrtRunner(proto).run_layers(X).layers) == ["out"]


def test_what_can_be_forced() -> None:
    runner = OrtRunner(model())
    assert runner.tensors == {
        "conv": ("conv",),
        "act": ("act", "codes"),
        "again": ("codes",),
        "out": ("y",),
    }
    assert runner.coded == {"act", "again"}


def test_forced_codes_stay_codes_for_the_kernels_behind_them() -> None:
    """ONNX Runtime would quantize a float input of a product dynamically."""
    proto = model()
    layers = OrtRunner(proto).layers
    nodes = cut(proto, layers, codes=True).graph.node
    readers = {
        name: [node.op_type for node in nodes if name in node.input]
        for name in ("forced:codes", "forced:act", "codes", "act")
    }
    assert readers["forced:codes"] == ["DequantizeLinear"]
    assert (readers["forced:act"], readers["codes"], readers["act"]) == ([], [], ["Transpose"])


@pytest.mark.parametrize("optimized", [True, False])
def test_threads_do_not_wait_in_a_loop(optimized: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(model(), path)
    worker = Worker(600)
    load = {"do": "load", "dropped": [], "session": 1, "saved": None, "optimized": optimized}
    assert "inputs" in worker.answer({**load, "model": str(path)})
    options = worker._sessions[1].get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
