"""What tf_keras writes, in each of its formats, against what the live model held."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from qconvert.modelfile import ModelFile, read_model

MODELS = ("branches", "pruned")
BY_NAME = ("{}.h5", "{}_named.json")
BY_POSITION = ("{}.keras", "{}_numbered.json")


def live_weights(folder: Path, model: str) -> dict[str, list[npt.NDArray[np.generic]]]:
    found: dict[str, list[npt.NDArray[np.generic]]] = {}
    with np.load(folder / f"{model}.npz") as arrays:
        for key in arrays.files:
            found.setdefault(key.partition("|")[0], []).append(arrays[key])
    return found


def bits(file: ModelFile) -> dict[str, list[bytes]]:
    return {
        path: [w.value.dtype.str.encode() + w.value.tobytes() for w in stored]
        for path, stored in file.weights.items()
    }


def floats(file: ModelFile) -> dict[str, list[bytes]]:
    return {
        path: [w.value.tobytes() for w in stored if w.value.dtype == np.float32]
        for path, stored in file.weights.items()
    }


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", BY_NAME)
def test_weights_by_name_are_those_of_the_live_model_in_its_order(
    saved_models: Path, model: str, name: str
) -> None:
    live = live_weights(saved_models, model)
    read = read_model(saved_models / name.format(model))
    assert read.weights.keys() == live.keys()
    for path, arrays in live.items():
        for stored, array in zip(read.weights[path], arrays, strict=True):
            np.testing.assert_array_equal(stored.value, array, strict=True)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", BY_POSITION)
def test_weights_by_position_are_those_by_name(saved_models: Path, model: str, name: str) -> None:
    by_name = bits(read_model(saved_models / f"{model}.h5"))
    by_position = bits(read_model(saved_models / name.format(model)))
    assert by_position.keys() == by_name.keys()
    for path, arrays in by_name.items():
        assert sorted(by_position[path]) == sorted(arrays), path


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", BY_POSITION)
def test_variables_by_position_are_in_the_order_by_name_but_for_counters(
    saved_models: Path, model: str, name: str
) -> None:
    by_name = floats(read_model(saved_models / f"{model}.h5"))
    assert floats(read_model(saved_models / name.format(model))) == by_name


def test_layers_of_nested_models_have_their_models_in_their_path(saved_models: Path) -> None:
    weights = read_model(saved_models / "branches.keras").weights
    assert {"first", "encoder/first", "encoder/second", "head/dense", "shared"} <= weights.keys()
    assert [w.value.shape for w in weights["first"]] == [(3, 3, 1, 2), (2,)]
    assert [w.value.shape for w in weights["encoder/first"]] == [(1, 1, 2, 2), (2,)]


def test_names_are_kept_where_a_file_has_them_and_empty_where_not(saved_models: Path) -> None:
    names = [w.name for w in read_model(saved_models / "branches.h5").weights["encoder/first"]]
    assert names == ["first/kernel:0", "first/bias:0"]
    numbered = read_model(saved_models / "branches.keras").weights["encoder/first"]
    assert [w.name for w in numbered] == ["", ""]


def test_every_dialect_states_the_version_that_wrote_it(saved_models: Path) -> None:
    versions = {
        read_model(saved_models / name.format("branches")).keras_version
        for name in (*BY_NAME, *BY_POSITION)
    }
    assert len(versions) == 1
    assert str(versions.pop()).startswith("2.")


def test_the_architecture_is_the_model_without_what_only_training_needs(
    saved_models: Path,
) -> None:
    for name in (*BY_NAME, *BY_POSITION):
        config = read_model(saved_models / name.format("branches")).config
        assert config["class_name"] == "Functional"
        assert config.keys() <= {"class_name", "config", "module", "registered_name"}


DATA = Path(__file__).parents[1] / "data"


def test_archives_of_keras_2_14_keep_layers_under_another_name() -> None:
    weights = read_model(DATA / "mnist_cnn.keras").weights
    shapes = [[w.value.shape for w in stored] for stored in weights.values()]
    assert shapes == [
        [(3, 3, 1, 32), (32,)],
        [(3, 3, 32, 32), (32,)],
        [(800, 32), (32,)],
        [(32, 10), (10,)],
    ]


def test_a_wrapper_of_older_files_holds_scopes_of_both_layers() -> None:
    stored = read_model(DATA / "pruned_cnn.h5").weights["prune_low_magnitude_dense_0"]
    assert [w.name.rpartition("/")[2] for w in stored] == [
        "kernel:0",
        "mask:0",
        "threshold:0",
        "pruning_step:0",
    ]
    assert [w.value.dtype for w in stored] == [np.float32, np.float32, np.float32, np.int64]
