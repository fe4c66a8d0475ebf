import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import qconvert
from qconvert.differing import conversion
from qconvert.differing.results import Kind
from qconvert.emit.metadata import read_metadata
from qconvert.errors import BadFileError, UsageError

pytestmark = pytest.mark.usefixtures("forked_reader")

DATA = Path(__file__).parents[1] / "data"
MODEL = DATA / "jet_mlp.h5"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "model.onnx"
    qconvert.export(MODEL, target)
    return target


def test_a_model_and_its_file_do_not_differ(path: Path) -> None:
    found = qconvert.diff(MODEL, path)
    assert found.equal and found.exit_code == 0
    (told,) = found.not_compared
    assert "operators" in told
    turned = qconvert.diff(path, MODEL)
    assert turned.equal and (turned.first, turned.second) == (found.second, found.first)


def test_a_code_of_the_file_that_is_another_is_told_as_a_weight(path: Path) -> None:
    model = onnx.load(path)
    (kernel,) = (x for x in model.graph.initializer if list(x.dims) == [32, 64])
    codes = numpy_helper.to_array(kernel).copy()
    codes[3, 4] += 2
    kernel.CopyFrom(numpy_helper.from_array(codes, kernel.name))
    onnx.save(model, path)
    (change,) = qconvert.diff(MODEL, path).changes
    assert (change.layer, change.what) == ("fc2", "kernel")
    assert change.numbers and change.numbers.steps == 2
    # Keras has the axes the other way round.
    assert change.numbers.first == (4, 3)


def test_a_number_that_the_file_has_only_within_others_is_not_called_nan(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bias = np.full(64, np.nan, np.float32)
    monkeypatch.setattr(conversion, "stored_weights", lambda *_: {("fc1", "bias"): bias})
    (change,) = qconvert.diff(MODEL, path).changes
    assert (change.layer, change.what, change.numbers) == ("fc1", "bias", None)
    assert change.after == "64 of 64 are part of other numbers in the file, which are wrong"


def test_numbers_that_are_none_in_the_model_are_so_in_its_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As weights with a normalization of a negative variance in them are."""
    metadata = read_metadata(onnx.load(path))
    graph = qconvert.load(MODEL)
    (layer,) = (x for x in graph.layers if x.name == "fc1")
    bias = layer.weights["bias"].effective
    bias[3] = np.nan
    assert metadata is not None
    for stored, count in ((bias, 0), (np.full_like(bias, np.nan), 1)):
        monkeypatch.setattr(conversion, "stored_weights", lambda *_, x=stored: {("fc1", "bias"): x})
        changes, _ = conversion.conversion_changes(graph, None, onnx.load(path), metadata)
        assert len(changes) == count


def test_the_file_of_another_training_has_another_source(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    other.write_bytes(MODEL.read_bytes())
    with h5py.File(other, "r+") as file:
        file["model_weights/fc1/fc1_1/kernel:0"][0, 0] = 0.9
    found = qconvert.diff(other, path)
    assert [(change.layer, change.what) for change in found.changes] == [
        ("", "source of the file"),
        ("fc1", "kernel"),
    ]


def test_what_is_given_first_is_first_whichever_it_is(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    other.write_bytes(MODEL.read_bytes())
    with h5py.File(other, "r+") as file:
        file["model_weights/fc1/fc1_1/kernel:0"][0, 0] = 0.9
    (_, change), (source, turned) = (
        qconvert.diff(*pair).changes for pair in ((other, path), (path, other))
    )
    assert source.before == f"SHA-256 {hashlib.sha256(MODEL.read_bytes()).hexdigest()}"
    assert source.after == f"SHA-256 {hashlib.sha256(other.read_bytes()).hexdigest()}"
    assert change.numbers and turned.numbers
    assert (turned.numbers.after, turned.numbers.before) == (
        change.numbers.before,
        change.numbers.after,
    )
    kinds, turned_kinds = (
        [(x.layer, x.kind) for x in qconvert.diff(*pair).changes if not x.what]
        for pair in ((DATA / "mnist_cnn.keras", path), (path, DATA / "mnist_cnn.keras"))
    )
    other_kind = {Kind.ADDED: Kind.REMOVED, Kind.REMOVED: Kind.ADDED, Kind.RENAMED: Kind.RENAMED}
    assert turned_kinds == [(layer, other_kind[kind]) for layer, kind in kinds]


def test_the_file_of_another_model_has_other_layers(path: Path) -> None:
    found = qconvert.diff(DATA / "mnist_cnn.keras", path)
    kinds = {change.kind for change in found.changes if change.layer and not change.what}
    assert Kind.ADDED in kinds and Kind.REMOVED in kinds


def test_weights_that_are_not_found_are_said_not_to_be_compared(path: Path) -> None:
    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type in ("Gemm", "MatMul"):
            node.op_type = "Einsum"
            del node.attribute[:]
            node.attribute.append(onnx.helper.make_attribute("equation", "ij,jk->ik"))
    onnx.save(model, path)
    found = qconvert.diff(MODEL, path)
    assert any("fc1/kernel" in told for told in found.not_compared)


def test_what_has_nothing_in_common_is_refused(
    path: Path, tmp_path: Path, report: dict[str, Any]
) -> None:
    checked = tmp_path / "r.json"
    checked.write_text(json.dumps(report))
    with pytest.raises(UsageError, match="report and ONNX file have nothing in common"):
        qconvert.diff(checked, path)
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(UsageError, match="does not tell its layers"):
        qconvert.diff(MODEL, path)


def test_a_file_that_is_no_report_is_read_as_a_model(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"schema": 1}', "[" * 100_000):
        (tmp_path / "r.json").write_text(text)
        with pytest.raises(BadFileError):
            qconvert.diff(tmp_path / "r.json", MODEL)


def test_an_architecture_takes_its_weights_and_nothing_else_does(path: Path) -> None:
    weights = DATA / "encoder_weights.hdf5"
    found = qconvert.diff(
        DATA / "encoder.json", DATA / "encoder.json", first_weights=weights, second_weights=weights
    )
    assert found.equal
    for other in (MODEL, path):
        with pytest.raises(UsageError, match="holds its own weights"):
            qconvert.diff(other, MODEL, first_weights=weights)


def test_weights_differ_by_their_numbers(tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    other.write_bytes(MODEL.read_bytes())
    with h5py.File(other, "r+") as file:
        kernel = file["model_weights/fc1/fc1_1/kernel:0"]
        kernel[...] = np.clip(kernel[...], -0.5, 0.5)
    changes = qconvert.diff(MODEL, other).changes
    assert {change.what for change in changes} == {"kernel", "kernel in the file"}
