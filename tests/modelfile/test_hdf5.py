"""HDF5 files that no Keras writes, by hand."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from qconvert.errors import BadFileError, UnsupportedError
from qconvert.modelfile import read_model

pytestmark = pytest.mark.usefixtures("forked_reader")

WriteModel = Callable[..., Path]
KERNEL = "model_weights/d/d/kernel:0"


def bad(path: Path) -> str:
    with pytest.raises(BadFileError) as caught:
        read_model(path)
    return caught.value.reason


def bad_after(path: Path, change: Callable[[h5py.File], object]) -> str:
    with h5py.File(path, "a") as file:
        change(file)
    return bad(path)


def test_a_whole_model_is_read(write_model: WriteModel) -> None:
    path = write_model()
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = "2.4.0"
    model = read_model(path)
    assert (model.path, model.weights_path, model.keras_version) == (path, None, "2.4.0")
    assert model.config["class_name"] == "Sequential"
    (stored,) = model.weights["d"]
    assert stored.name == "d/kernel:0"
    np.testing.assert_array_equal(stored.value, np.arange(6, dtype="f4").reshape(2, 3), strict=True)


def test_the_configuration_may_be_any_kind_of_text(write_model: WriteModel) -> None:
    path = write_model()
    config = read_model(path).config
    text = json.dumps(config)
    for value in (text, text.encode(), np.bytes_(text), [text], np.array([text.encode()])):
        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = value
        assert read_model(path).config == config


def test_lists_of_names_may_be_cut_into_chunks(write_model: WriteModel) -> None:
    path = write_model()
    with h5py.File(path, "a") as file:
        group = file["model_weights"]
        del group.attrs["layer_names"], group["d"].attrs["weight_names"]
        group["e"] = np.float32(0)
        group["d"].attrs["weight_names0"] = [b"d/kernel:0"]
        group["d"].attrs["weight_names1"] = [b"d/bias:0"]
        group["d/d/bias:0"] = np.ones(3, np.float32)
        group.attrs["layer_names0"] = [b"d"]
    assert [w.name for w in read_model(path).weights["d"]] == ["d/kernel:0", "d/bias:0"]


def test_big_endian_weights_become_native(write_model: WriteModel) -> None:
    value = np.array([[1.5, -2.25]], ">f4")
    (stored,) = read_model(write_model(weights={"d": {"k": value}})).weights["d"]
    np.testing.assert_array_equal(stored.value, np.array([[1.5, -2.25]], "=f4"), strict=True)
    assert stored.value.dtype.isnative


def test_counters_are_integers(write_model: WriteModel) -> None:
    (stored,) = read_model(write_model(weights={"d": {"i": np.int64(-1)}})).weights["d"]
    np.testing.assert_array_equal(stored.value, np.array(-1, np.int64), strict=True)


@pytest.mark.parametrize(
    "value",
    [
        np.ones(2, np.longdouble),
        np.ones(2, np.complex64),
        np.ones(2, np.bool_),
        np.ones(2, [("a", "f4")]),
        np.array([b"x"]),
    ],
)
def test_other_types_are_not_cast(write_model: WriteModel, value: object) -> None:
    reason = bad(write_model(weights={"d": {"k": value}}))
    assert reason.startswith("'/model_weights/d/k' holds ")
    assert reason.endswith("; weights are float32")


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_floats_of_other_widths_are_left_to_their_layer(
    write_model: WriteModel, dtype: type
) -> None:
    value: np.ndarray = np.ones(2, dtype)
    (read,) = read_model(write_model(weights={"d": {"k": value}})).weights["d"]
    assert (read.value.dtype, read.value.tolist()) == (value.dtype, [1, 1])


def test_variable_length_weights_are_refused(write_model: WriteModel) -> None:
    def change(file: h5py.File) -> None:
        del file[KERNEL]
        file["model_weights/d/d"].create_dataset("kernel:0", (2,), h5py.vlen_dtype("f4"))

    assert "weights are float32" in bad_after(write_model(), change)


def test_external_storage_is_never_read(tmp_path: Path, write_model: WriteModel) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"SECRET-FILE-CONTENT-1234")

    def change(file: h5py.File) -> None:
        del file[KERNEL]
        storage = [(str(secret), 0, 24)]
        file["model_weights/d/d"].create_dataset("kernel:0", (2, 3), "f4", external=storage)

    assert "refers to another file, which was not opened" in bad_after(write_model(), change)


def test_virtual_datasets_are_refused(write_model: WriteModel) -> None:
    def change(file: h5py.File) -> None:
        del file[KERNEL]
        layout = h5py.VirtualLayout((2, 3), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", (2, 3))
        file["model_weights/d/d"].create_virtual_dataset("kernel:0", layout)

    assert "refers to another file, which was not opened" in bad_after(write_model(), change)


@pytest.mark.parametrize("place", [KERNEL, "model_weights/d/d", "model_weights/d", "model_weights"])
def test_links_are_not_followed(tmp_path: Path, write_model: WriteModel, place: str) -> None:
    path = write_model()
    os.mkfifo(tmp_path / "pipe")
    links = [
        h5py.SoftLink("/elsewhere"),
        h5py.SoftLink(f"/{place}"),
        h5py.ExternalLink(str(tmp_path / "pipe"), "/x"),
        h5py.ExternalLink(str(path), "/"),
    ]
    told = ["elsewhere"] * 2 + ["another file, which was not opened"] * 2
    for link, where in zip(links, told, strict=True):

        def change(file: h5py.File, link: object = link) -> None:
            del file[place]
            file[place] = link

        assert bad_after(write_model(), change).endswith(where)


def test_one_dataset_under_two_names_is_refused(write_model: WriteModel) -> None:
    def change(file: h5py.File) -> None:
        file["model_weights/d/again"] = file[KERNEL]
        file["model_weights/d"].attrs["weight_names"] = [b"d/kernel:0", b"again"]

    assert bad_after(write_model(), change).endswith("is stored under two names")


def test_a_small_file_does_not_stand_for_a_large_array(write_model: WriteModel) -> None:
    def bomb(file: h5py.File) -> None:
        del file[KERNEL]
        data = np.zeros((5 << 20,), np.float32)
        file["model_weights/d/d"].create_dataset("kernel:0", data=data, compression="gzip")

    def hollow(file: h5py.File) -> None:
        del file[KERNEL]
        file["model_weights/d/d"].create_dataset("kernel:0", (1 << 40,), "f4", chunks=(1024,))

    assert "declares 20971520 bytes and stores " in bad_after(write_model(), bomb)
    assert bad_after(write_model(), hollow).endswith("declares 4398046511104 bytes and stores none")


def test_gzip_is_unpacked_and_other_filters_are_not(write_model: WriteModel) -> None:
    path = write_model()
    for packing in ("gzip", "lzf"):
        with h5py.File(path, "a") as file:
            del file[KERNEL]
            data = np.ones((8, 8), np.float32)
            settings = {"data": data, "compression": packing, "shuffle": True}
            file["model_weights/d/d"].create_dataset("kernel:0", **settings)
        if packing == "gzip":
            np.testing.assert_array_equal(read_model(path).weights["d"][0].value, data)
    assert bad(path).endswith("is packed with a filter other than gzip")


@pytest.mark.parametrize("name", ["missing:0", "", "d//kernel:0", "./d/kernel:0", "../d/kernel:0"])
def test_a_listed_weight_has_to_be_there(write_model: WriteModel, name: str) -> None:
    def change(file: h5py.File) -> None:
        file["model_weights/d"].attrs["weight_names"] = [name]

    assert bad_after(write_model(), change).endswith("but not there")


def test_a_group_in_place_of_a_weight_is_refused(write_model: WriteModel) -> None:
    def change(file: h5py.File) -> None:
        del file[KERNEL]
        file.create_group(KERNEL)

    assert "something other than a dataset" in bad_after(write_model(), change)


@pytest.mark.parametrize(
    "value", [1, [1.0], h5py.Empty("S1"), b"\xff", ["{}", "{}"], np.void(b"{}"), [np.void(b"{}")]]
)
def test_the_configuration_has_to_be_one_text(write_model: WriteModel, value: object) -> None:
    def change(file: h5py.File) -> None:
        file.attrs["model_config"] = value

    assert bad_after(write_model(), change).startswith("the attribute 'model_config' is not ")


def test_a_file_of_weights_only_gets_a_remedy(write_model: WriteModel) -> None:
    with pytest.raises(UnsupportedError, match=r"weights only; save with model.save\(\), or give"):
        read_model(write_model(config=None))


def test_hdf5_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2]
    assert bad(path) == "an HDF5 file, but not one of Keras's"


def test_a_model_without_weights_is_refused(write_model: WriteModel) -> None:
    def change(file: h5py.File) -> None:
        del file["model_weights"]

    assert bad_after(write_model(), change) == "holds no weights of Keras's"


def test_weights_of_the_model_itself_are_not_dropped(write_model: WriteModel) -> None:
    def change(file: h5py.File) -> None:
        group = file.create_group("model_weights/top_level_model_weights")
        group.attrs["weight_names"] = [b"scale:0"]
        group["scale:0"] = np.float32(2)

    reason = bad_after(write_model(), change)
    assert reason == "holds weights of 'top_level_model_weights', which the architecture lacks"
