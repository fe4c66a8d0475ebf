"""The file that TensorFlow gets has all that was read, and nothing else."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from qconvert.errors import UnsupportedError
from qconvert.modelfile import KerasFiles, ModelFile, read_model, write_clean
from qconvert.opening import Source, opened, read_for_keras
from tests.hostile.building import archive, entry, hdf5, model

pytestmark = pytest.mark.usefixtures("forked_reader")

WriteModel = Callable[..., Path]
DATA = Path(__file__).parents[1] / "data"
FILES = ("encoder.json", "jet_deepsets.h5", "jet_mlp.h5", "mnist_cnn.keras", "pruned_cnn.h5")


def require_same(one: ModelFile, other: ModelFile) -> None:
    assert (one.config, one.keras_version) == (other.config, other.keras_version)
    assert list(one.weights) == list(other.weights)
    for path, stored in one.weights.items():
        for a, b in zip(stored, other.weights[path], strict=True):
            assert a.name == b.name
            np.testing.assert_array_equal(a.value, b.value, strict=True)


def cleaned(path: Path, folder: Path) -> KerasFiles:
    clean = write_clean(read_model(path), folder)
    require_same(read_model(path), read_model(clean.model, clean.weights))
    return clean


@pytest.mark.parametrize("name", FILES)
def test_a_clean_file_is_the_same_model(tmp_path: Path, name: str) -> None:
    clean = cleaned(DATA / name, tmp_path)
    assert clean.model.suffix == Path(name).suffix
    again = tmp_path / "again"
    again.mkdir()
    twice = write_clean(read_model(clean.model, clean.weights), again)
    require_same(read_model(clean.model, clean.weights), read_model(twice.model, twice.weights))


def test_nothing_else_goes_along(tmp_path: Path) -> None:
    def more(file: h5py.File) -> None:
        file.attrs["training_config"] = "evil"
        file["model_weights/d"].attrs["evil"] = 1
        file["evil"] = np.ones(3)
        file["model_weights/link"] = h5py.ExternalLink("/etc/passwd", "/")
        file["optimizer_weights/evil"] = h5py.SoftLink("/evil")

    source = tmp_path / "source"
    source.mkdir()
    path = hdf5(change=more)(source)
    unused = {"/evil", "/model_weights/link", "/optimizer_weights/evil"}
    assert set(read_model(path).unused) == unused
    clean = cleaned(path, tmp_path)
    assert b"evil" not in clean.model.read_bytes()
    assert b"passwd" not in clean.model.read_bytes()
    with h5py.File(clean.model) as file:
        assert sorted(file) == ["model_weights"]
        assert sorted(file.attrs) == ["keras_version", "model_config"]


def test_an_archive_is_written_without_its_assets(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    path = archive()(source)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("assets/evil", b"evil")
    with zipfile.ZipFile(cleaned(path, tmp_path).model) as file:
        assert file.namelist() == ["config.json", "metadata.json", "model.weights.h5"]


def test_what_training_needs_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    path = hdf5({**model(), "compile_config": {"module": "os"}})(source)
    with h5py.File(cleaned(path, tmp_path).model) as file:
        assert "compile_config" not in json.loads(file.attrs["model_config"])


def test_many_long_names_are_cut_into_pieces(tmp_path: Path, write_model: WriteModel) -> None:
    names = [f"layer_{i:04}_{'x' * 100}" for i in range(700)]
    layers = [{"class_name": "Dense", "config": {"name": name}} for name in names]
    config = {"class_name": "Sequential", "config": {"layers": layers}}
    weights = {name: {f"{name}/kernel:0": np.float32(i)} for i, name in enumerate(names)}
    path = write_model(config, {names[0]: weights[names[0]]})
    with h5py.File(path, "a") as file:
        group = file["model_weights"]
        del group.attrs["layer_names"]
        for i in range(2):
            group.attrs[f"layer_names{i}"] = [n.encode() for n in names[i * 350 : i * 350 + 350]]
        for name in names[1:]:
            group.create_group(name).attrs["weight_names"] = [f"{name}/kernel:0".encode()]
            group[name][f"{name}/kernel:0"] = weights[name][f"{name}/kernel:0"]
    folder = tmp_path / "clean"
    folder.mkdir()
    clean = cleaned(path, folder)
    with h5py.File(clean.model) as file:
        assert {"layer_names0", "layer_names1"} <= set(file["model_weights"].attrs)


def test_keras_gets_the_clean_file(tmp_path: Path) -> None:
    path = hdf5()(tmp_path)
    with opened(Source(path), for_keras=True) as found:
        assert found.keras is not None
        assert found.keras.model != path
        assert not found.keras.model.is_relative_to(tmp_path)
    assert not found.keras.model.exists()
    with opened(Source(path)) as found:
        assert found.keras is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (entry("class_name", "Lambda"), "QC301"),
        (entry("class_name", "TFSMLayer"), "QC301"),
        (entry("module", "os"), "QC303"),
        (
            entry(
                "config", {"name": "d", "layer": {"class_name": "Lambda", "config": {"name": "l"}}}
            ),
            "QC301",
        ),
        (entry("config", {"name": "d", "activation": {"class_name": "__lambda__"}}), "QC301"),
        (entry("config", {"name": "d", "x": [{"module": "subprocess"}]}), "QC303"),
    ],
)
def test_code_never_reaches_keras(
    tmp_path: Path, change: Callable[[dict[str, object]], object], code: str
) -> None:
    path = hdf5(model(change))(tmp_path)
    with pytest.raises(UnsupportedError) as caught, read_for_keras(Source(path)):
        pass
    assert caught.value.code == code
