"""A verdict in the file: it changes nothing else, and belongs to that file alone."""

import json

import onnx
import pytest

from qconvert.emit import to_onnx
from qconvert.emit.stamp import KEY, Stamp, add_stamp, read_stamp, sha256_of, without_stamp
from qconvert.ir.ops import Relu

from .conftest import Make

STAMP = Stamp("PROVEN", True, ("with VNNI",), "0" * 64, "f" * 64)


@pytest.fixture
def model(make: Make) -> onnx.ModelProto:
    return to_onnx(make({"x": (2,)}, [("y", Relu(), ["x"])]), source="a" * 64)


def test_without_its_stamp_a_file_has_the_bytes_that_were_checked(model: onnx.ModelProto) -> None:
    plain, digest = model.SerializeToString(deterministic=True), sha256_of(model)
    add_stamp(model, STAMP)
    assert read_stamp(model) == STAMP
    stamped = onnx.load_model_from_string(model.SerializeToString(deterministic=True))
    assert without_stamp(stamped).SerializeToString(deterministic=True) == plain
    assert sha256_of(stamped) == digest


def test_a_second_stamp_replaces_the_first(model: onnx.ModelProto) -> None:
    add_stamp(model, STAMP)
    add_stamp(model, Stamp("DIFFERS", False, (), "0" * 64, "f" * 64))
    found = read_stamp(model)
    assert found is not None
    assert found.verdict == "DIFFERS"
    assert [entry.key for entry in model.metadata_props].count(KEY) == 1


def test_a_change_of_the_metadata_changes_the_hash(model: onnx.ModelProto) -> None:
    digest = sha256_of(model)
    model.metadata_props[0].value += " "
    assert sha256_of(model) != digest


def test_a_file_without_a_stamp_has_none(model: onnx.ModelProto) -> None:
    assert read_stamp(model) is None


@pytest.mark.parametrize(
    "damage", [{"report": "no hash"}, {"schema": "other"}, {"conditions": None}, {"file": "f"}]
)
def test_a_damaged_stamp_is_an_error(model: onnx.ModelProto, damage: dict[str, object]) -> None:
    add_stamp(model, STAMP)
    (entry,) = (e for e in model.metadata_props if e.key == KEY)
    entry.value = json.dumps(json.loads(entry.value) | damage)
    with pytest.raises(ValueError, match="the metadata is damaged"):
        read_stamp(model)
