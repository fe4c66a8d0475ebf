"""An architecture ``.json`` and the weights beside it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qconvert.errors import BadFileError, QConvertError, UsageError
from qconvert.modelfile import read_model

WriteModel = Callable[..., Path]


@pytest.fixture
def architecture(tmp_path: Path, write_model: WriteModel) -> Path:
    """``net.json`` without weights beside it."""
    config = read_model(write_model(name="other.h5")).config
    path = tmp_path / "net.json"
    path.write_text(json.dumps({**config, "keras_version": "2.4.0", "backend": "tensorflow"}))
    return path


def failure(path: Path, weights: Path | None = None) -> QConvertError:
    with pytest.raises(QConvertError) as caught:
        read_model(path, weights)
    return caught.value


@pytest.mark.parametrize(
    "name", ["net_weights.h5", "net_weights.hdf5", "net.weights.h5", "net.h5", "net.hdf5"]
)
def test_weights_are_found_beside_it(
    architecture: Path, write_model: WriteModel, name: str
) -> None:
    weights = write_model(config=None, name=name)
    model = read_model(architecture)
    assert (model.path, model.weights_path) == (architecture, weights)
    assert [w.name for w in model.weights["d"]] == ["d/kernel:0"]


def test_weights_may_be_given_and_may_be_a_whole_model(
    architecture: Path, write_model: WriteModel
) -> None:
    weights = write_model(name="elsewhere.h5")
    write_model(name="net.h5")
    assert read_model(architecture, weights).weights_path == weights


def test_the_architecture_keeps_what_describes_it_and_states_its_version(
    architecture: Path, write_model: WriteModel
) -> None:
    model = read_model(architecture, write_model())
    assert model.config.keys() == {"class_name", "config"}
    assert model.keras_version == "2.4.0"


def test_the_hash_is_of_both_files_joined(architecture: Path, write_model: WriteModel) -> None:
    weights = write_model()
    both = architecture.read_bytes() + weights.read_bytes()
    assert read_model(architecture, weights).sha256 == hashlib.sha256(both).hexdigest()


def test_missing_weights_are_named(architecture: Path) -> None:
    error = failure(architecture)
    assert isinstance(error, BadFileError)
    assert error.reason == (
        "an architecture without weights; none beside it is called net_weights.h5, "
        "net_weights.hdf5, net.weights.h5, net.h5 or net.hdf5"
    )


def test_a_choice_of_weights_is_the_users(architecture: Path, write_model: WriteModel) -> None:
    write_model(name="net.h5")
    write_model(name="net_weights.h5")
    error = failure(architecture)
    assert isinstance(error, UsageError)
    assert str(error).endswith("say which of these holds the weights: net_weights.h5 or net.h5")


def test_bad_weights_are_blamed_and_not_the_architecture(
    tmp_path: Path, architecture: Path
) -> None:
    for content, reason in (
        (b"", "an empty file"),
        (b"{}", "the weights of an architecture have to be an HDF5 file"),
    ):
        weights = tmp_path / "w.h5"
        weights.write_bytes(content)
        error = failure(architecture, weights)
        assert isinstance(error, BadFileError)
        assert (error.path, error.reason) == (weights, reason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "the architecture is JSON, but not an object"),
        ("{}", "the architecture is JSON, but not a Keras model: no class_name and config"),
        ('{"class_name": 1, "config": {}}', "the architecture is JSON, but not a Keras model"),
        ('{"class_name": "Sequential"', "the architecture is not JSON: line 1, column 28"),
    ],
)
def test_other_json_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "net.json"
    path.write_text(text)
    error = failure(path)
    assert isinstance(error, BadFileError)
    assert error.reason.startswith(reason)
