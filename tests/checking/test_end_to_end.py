"""The whole way with the real TensorFlow, ONNX Runtime and NumPy."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import qconvert
from qconvert.checking.results import Verdict
from qconvert.checking.witness import Witness
from qconvert.emit.metadata import read_metadata
from qconvert.errors import UnsupportedError, UsageError
from qconvert.ir import F32
from qconvert.ir.ops import Quantize
from qconvert.ir.quantizers import QuantizedRelu
from tests.checking.deployed_models import change, insert, node, own_scales

WINDOW = (slice(2, 5), slice(3, 6))

pytestmark = pytest.mark.usefixtures("shared_tensorflow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a QKeras model, an image, and TensorFlow's results."""
    folder = tmp_path_factory.mktemp("end_to_end")
    script = Path(__file__).with_name("qconv_model.py")
    subprocess.run([sys.executable, script, folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def truth(folder: Path) -> Mapping[str, F32]:
    with np.load(folder / "truth.npz") as arrays:
        return dict(arrays)


def pixel(image: F32, kernel: F32, bias: F32) -> F32:
    """Output 2, 3 of the convolution of the first image, summed by hand."""
    window = image[0][WINDOW]
    result: F32 = np.einsum("hwi,hwio->o", window, kernel) + bias
    return result


def test_effective_weights_recompute_what_all_compute_and_raw_ones_do_not(
    folder: Path, truth: Mapping[str, F32]
) -> None:
    exported = qconvert.export(folder / "model.h5", folder / "model.onnx")
    weights = qconvert.effective_weights(folder / "model.h5")["conv"]
    recomputed = pixel(truth["image"], weights["kernel"], weights["bias"])
    np.testing.assert_array_equal(recomputed, truth["conv"][0, 2, 3])
    session = onnxruntime.InferenceSession(exported.model.SerializeToString())
    np.testing.assert_array_equal(session.run(None, {"image": truth["image"]})[0], truth["out"])
    from_raw = pixel(truth["image"], truth["raw_kernel"], truth["raw_bias"])
    assert (from_raw != truth["conv"][0, 2, 3]).all()


def test_a_live_model_gives_what_its_file_gives(folder: Path) -> None:
    """But for the hash of the file, which alone has one."""
    qconvert.export(folder / "model.h5", folder / "file.onnx")
    live, file = onnx.load(folder / "live.onnx"), onnx.load(folder / "file.onnx")
    assert live.graph == file.graph
    found, of_file = read_metadata(live), read_metadata(file)
    assert found is not None and of_file is not None
    assert found.source is None
    assert of_file.source == hashlib.sha256((folder / "model.h5").read_bytes()).hexdigest()
    assert replace(of_file, source=None) == found


def test_a_live_model_keeps_what_its_file_loses(folder: Path) -> None:
    """TensorFlow sees the options that Keras does not save, and the input that is an output."""
    report = json.loads((folder / "losing.json").read_text())
    found = {output["name"]: output["verdict"] for output in report["outputs"]}
    assert found == {"act": "PROVEN", "x": "SAMPLED"}
    saved = qconvert.load(folder / "losing.h5").nodes[-1].op
    assert isinstance(saved, Quantize)
    assert saved.quantizer == QuantizedRelu(4, 1, relu_upper_bound=1.3)


@pytest.mark.parametrize("name", ["unread.h5", "unread.keras", "unread.json"])
def test_a_file_is_checked_that_qkeras_itself_cannot_read(folder: Path, name: str) -> None:
    """Its plain functions in layers, and a NumPy array of scales."""
    weights = folder / "unread_weights.h5" if name.endswith(".json") else None
    report = qconvert.check(folder / name, weights=weights, samples=8)
    assert (report.passed, report.failed) == (True, ())


def test_a_live_model_is_checked_that_qkeras_cannot_read(folder: Path) -> None:
    report = json.loads((folder / "unread_live.json").read_text())
    assert report["passed"]
    assert {witness["failure"] for witness in report["witnesses"]} == {None}


def test_a_model_without_layers_passes_by_its_outputs(folder: Path) -> None:
    report = json.loads((folder / "no_layers.json").read_text())
    assert (report["verdict"], report["passed"], report["layers"]) == ("SAMPLED", True, [])
    assert [output["verdict"] for output in report["outputs"]] == ["SAMPLED"] * 2


def test_every_layer_of_a_right_export_agrees(folder: Path) -> None:
    done: list[tuple[int, int]] = []
    report = qconvert.check(
        folder / "model.h5", samples=70, progress=lambda n, of: done.append((n, of))
    )
    assert {layer.name: layer.finding.verdict for layer in report.layers} == dict.fromkeys(
        ("pixels", "conv", "act", "pool", "flat", "out"), Verdict.PROVEN
    ) | {layer.name: Verdict.PROVEN for layer in report.layers if layer.name == "image"}
    assert report.verdict is Verdict.PROVEN
    assert [(w.layer, w.role, w.verdict) for w in report.weights] == [
        (layer, role, Verdict.PROVEN) for layer in ("conv", "out") for role in ("kernel", "bias")
    ]
    assert report.exit_code == 0
    assert {w.witness for w in report.witnesses if w.failure is None} == set(Witness)
    assert (report.samples, done[-1]) == (70, (70, 70))
    assert {layer.name for layer in report.layers if layer.kernels} >= {"conv", "out"}
    compared = {c.witnesses for c in report.outputs[0].finding.comparisons}
    assert (Witness.TENSORFLOW, Witness.DEPLOYED) in compared


def test_one_wrong_weight_code_in_the_file_is_found_at_its_layer(
    folder: Path, truth: Mapping[str, F32]
) -> None:
    qconvert.export(folder / "model.h5", folder / "wrong.onnx")
    model = onnx.load(folder / "wrong.onnx")
    (kernel,) = (t for t in model.graph.initializer if t.dims == [3, 2, 3, 4])
    codes = onnx.numpy_helper.to_array(kernel).copy()
    # Not of the zeros behind each row of its window.
    codes[0, 0, 1, 2] += 1
    kernel.CopyFrom(onnx.numpy_helper.from_array(codes, kernel.name))
    shown = folder / "shown"
    report = qconvert.check(folder / "model.h5", model, inputs=truth["image"], reproducer=shown)
    assert report.exit_code == 1
    script = subprocess.run([sys.executable, shown / "reproduce.py"], capture_output=True)
    assert (script.returncode, script.stderr) == (1, b"")
    # In whose operator that of the convolution is.
    assert script.stdout.startswith(b"layer act (QActivation)")
    assert b"(NumPy and TensorFlow)" in script.stdout
    assert report.first_difference is not None
    assert report.first_difference.name == "conv"
    found = {layer.name: layer.finding for layer in report.layers}
    assert found["conv"].reason == "the file's weights differ (kernel 1 of 54, bias 1 of 3)"
    assert found["act"].inherited_from == ("conv",)
    assert found["pixels"].verdict is Verdict.PROVEN
    assert found["out"].inherited_from == ("conv",)
    assert report.outputs[0].finding.inherited_from == ("conv",)


def test_a_file_that_the_runtime_quantizes_otherwise_is_found(folder: Path) -> None:
    """Without optimizations the layer is right, and would be proven."""
    model = qconvert.export(folder / "model.h5").model
    insert(model, "out/Gemm", "Relu")
    change(model, "out/kernel", np.transpose)
    node(model, "out/Gemm").attribute[0].i = 0
    own_scales(model, "out", 5)
    report = qconvert.check(folder / "model.h5", model, samples=70)
    (output,) = report.outputs
    assert output.finding.verdict is Verdict.DIFFERS
    assert "the deployed run differs from the instrumented run" in output.finding.reason
    found = {layer.name: layer for layer in report.layers}
    assert found["out"].finding.verdict is Verdict.SAMPLED
    assert "MatMulNBits out/Gemm quantizes" in found["out"].finding.doubt
    assert found["conv"].finding.verdict is Verdict.PROVEN


def test_an_operator_that_no_proof_knows_is_no_pass(folder: Path) -> None:
    """`Shrink` by nothing returns what it is given, so that nothing differs."""
    model = qconvert.export(folder / "model.h5").model
    insert(model, "out/Gemm", "Shrink")
    node(model, "out/Gemm/Shrink").attribute.append(onnx.helper.make_attribute("lambd", 0.0))
    report = qconvert.check(folder / "model.h5", model, samples=70)
    (output,) = report.outputs
    assert (output.finding.verdict, report.exit_code) == (Verdict.UNCHECKED, 1)
    assert output.finding.reason == (
        "as deployed, in out: Shrink out/Gemm/Shrink is an operator that no proof knows"
    )


def scaled_samples(count: int) -> F32:
    codes = np.random.default_rng(5).integers(-64, 65, (count, 6, 6, 3))
    return (codes / 16).astype(np.float32)


def test_frozen_scales_are_tensorflows_on_their_samples(folder: Path) -> None:
    """All of them are one batch, however many; a part of it has other scales in TensorFlow."""
    x = scaled_samples(90)
    report = qconvert.check(folder / "automatic.h5", freeze_scales=x)
    found = {layer.name: layer for layer in report.layers if layer.class_name == "QActivation"}
    assert list(found) == ["first", "auto", "auto_po2", "binary", "ternary"]
    for layer in found.values():
        assert layer.finding.verdict is Verdict.SAMPLED
        assert layer.finding.reason == "with scales frozen on these very samples"
        assert "90 samples in one batch" in layer.notes[0]
    assert all("frozen" in output.finding.reason for output in report.outputs)
    assert (report.exit_code, report.samples) == (0, 90)
    assert report.inputs == "90 samples of the given arrays as one batch"


def test_scales_of_other_samples_differ(folder: Path) -> None:
    exported = qconvert.export(folder / "automatic.h5", freeze_scales=scaled_samples(90))
    assert set(exported.notes) == {"first", "auto", "auto_po2", "binary", "ternary"}
    report = qconvert.check(folder / "automatic.h5", exported, freeze_scales=scaled_samples(7))
    assert report.exit_code == 1
    found = {layer.name: layer.finding.verdict for layer in report.layers}
    assert found["auto"] is Verdict.DIFFERS


def test_frozen_scales_are_given_and_fit(folder: Path) -> None:
    with pytest.raises(UnsupportedError, match="--freeze-scales"):
        qconvert.check(folder / "automatic.h5")
    with pytest.raises(UsageError, match="the inputs of the check"):
        qconvert.check(folder / "automatic.h5", freeze_scales=scaled_samples(2), samples=3)
    with pytest.raises(UsageError, match="no scale to freeze"):
        qconvert.export(folder / "model.h5", freeze_scales=scaled_samples(2))
    with pytest.raises(UsageError, match="has shape"):
        qconvert.export(folder / "automatic.h5", freeze_scales=scaled_samples(2)[..., :1])


def test_a_normalization_behind_floats_is_not_folded_into_these() -> None:
    """In the dialect float, of a convolution along one axis: nothing behind it would pass."""
    model = Path(__file__).parents[1] / "targets" / "models" / "series.h5"
    report = qconvert.check(model, qconvert.export(model, dialect="float"), samples=4)
    assert report.passed
    assert {w.verdict for w in report.weights} == {Verdict.PROVEN}
