"""The ``.keras`` zip, by hand."""

import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from qconvert.errors import BadFileError, LimitError
from qconvert.modelfile import DEFAULT_LIMITS, Json, Limits, read_model
from qconvert.modelfile.inside import leftover

pytestmark = pytest.mark.usefixtures("forked_reader")

CONFIG: dict[str, Json] = {
    "class_name": "Sequential",
    "config": {"layers": [{"class_name": "QDense", "config": {"name": "d"}}]},
}
KERNEL = np.ones((2, 3), np.float32)


def weights_file(*paths: str) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for path in paths:
            file[path] = KERNEL
    return stream.getvalue()


def entries() -> dict[str, bytes]:
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "metadata.json": b'{"keras_version": "2.14.0"}',
        "model.weights.h5": weights_file("layers/q_dense/vars/0"),
    }


def write(folder: Path, *parts: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts:
            file.writestr(name, content)
    return path


def bad(path: Path, limits: Limits = DEFAULT_LIMITS) -> str:
    with pytest.raises(BadFileError) as caught:
        read_model(path, limits=limits)
    return caught.value.reason


def test_an_archive_is_read(tmp_path: Path) -> None:
    model = read_model(write(tmp_path, *entries().items(), ("assets/x", b"ignored")))
    assert (model.config, model.keras_version) == (CONFIG, "2.14.0")
    (stored,) = model.weights["d"]
    assert stored.name == ""
    np.testing.assert_array_equal(stored.value, KERNEL, strict=True)


@pytest.mark.parametrize("missing", ["metadata.json", "model.weights.h5"])
def test_a_missing_part_is_named(tmp_path: Path, missing: str) -> None:
    parts = entries()
    del parts[missing]
    assert bad(write(tmp_path, *parts.items())) == f"the archive has 0 entries {missing}, not one"


def test_another_zip_is_not_taken_for_an_archive(tmp_path: Path) -> None:
    reason = "a zip archive, but not Keras's: it has no config.json"
    assert bad(write(tmp_path, ("archive/data.pkl", b"x"))) == reason


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_configurations_are_one_too_many(tmp_path: Path) -> None:
    path = write(tmp_path, *entries().items(), ("config.json", b"{}"))
    assert bad(path) == "the archive has 2 entries config.json, not one"


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "extra.json", "config.json/"])
def test_other_entries_are_refused_and_nothing_is_unpacked(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    path = write(folder, *entries().items(), (name, b"x"))
    assert bad(path) == f"the archive has an entry that Keras does not write: {name!r}"
    assert [p.name for p in tmp_path.rglob("*")] == ["inside", "model.keras"]


def test_a_symbolic_link_is_only_text(tmp_path: Path) -> None:
    parts = entries()
    link = zipfile.ZipInfo("config.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    del parts["config.json"]
    path = write(tmp_path, (link, b"/etc/hostname"), *parts.items())
    assert bad(path) == "config.json is a symbolic link"


def test_blanks_do_not_fill_the_memory(tmp_path: Path) -> None:
    parts = entries() | {"config.json": b" " * (40 << 20)}
    path = write(tmp_path, *parts.items())
    with pytest.raises(LimitError) as caught:
        read_model(path)
    assert str(caught.value) == (
        f"{path}: config.json unpacks to too many bytes: limit 33,554,432"
        " (--limit config-bytes=N raises it)"
    )


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    many = [(f"assets/{i}", b"") for i in range(1000)]
    path = write(tmp_path, *entries().items(), *many)
    assert bad(path) == (
        "the archive has too many entries: limit 1,000 (--limit archive-entries=N raises it)"
    )


def test_other_packing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as file:
        for name, content in entries().items():
            file.writestr(name, content)
    assert bad(path) == "config.json is packed with a method other than deflate"


@pytest.mark.parametrize("cut", [40, 200, -30])
def test_a_truncated_archive_is_refused(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path, *entries().items())
    path.write_bytes(path.read_bytes()[:cut])
    assert bad(path).startswith("damaged or truncated zip archive: ")


def test_an_archive_without_its_end_is_told_so(tmp_path: Path) -> None:
    path = write(tmp_path, *entries().items())
    path.write_bytes(path.read_bytes()[:-30])
    told = "damaged or truncated zip archive: the list of its parts is missing, which stands at its"
    assert bad(path).startswith(told)


def test_a_flipped_byte_in_a_part_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, *entries().items())
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)
    assert bad(path).startswith("damaged or truncated zip archive: ")


def test_an_encrypted_part_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, *entries().items())
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)
    assert "encrypted" in bad(path)


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["layers/dense/vars/0"], "holds weights at 'layers/dense/vars/0', not in the model"),
        (["layers/q_dense/0"], "holds weights at 'layers/q_dense/0', not in the model"),
        (["layers/q_dense/vars/1"], "the variables of a layer are not numbered from 0"),
        (["layers/q_dense/vars/x"], "the variables of a layer are not numbered from 0"),
        (
            ["layers/q_dense/vars/0", "layers/q_dense_1/vars/0"],
            "holds weights at 'layers/q_dense_1/vars/0', not in the model",
        ),
        (["layers/q_dense/vars/0", "vars/0"], "holds weights at 'vars/0', not in the model"),
        (["nothing/of/keras"], "holds no weights of Keras's"),
    ],
)
def test_weights_that_fit_no_layer_are_refused(
    tmp_path: Path, paths: list[str], reason: str
) -> None:
    parts = entries() | {"model.weights.h5": weights_file(*paths)}
    assert bad(write(tmp_path, *parts.items())) == reason


def test_variables_are_ordered_by_number_and_not_by_text(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for i in range(11):
            file[f"layers/q_dense/vars/{i}"] = np.float32(i)
    parts = entries() | {"model.weights.h5": stream.getvalue()}
    stored = read_model(write(tmp_path, *parts.items())).weights["d"]
    assert [float(w.value) for w in stored] == list(range(11))


def looped(file: h5py.File) -> None:
    file["layers/q_dense/again"] = file["layers"]


def doubled(file: h5py.File) -> None:
    """No loop, and not deep: 25 groups to which 2**25 paths lead."""
    group = file["layers"]
    for i in range(25):
        inner = group.create_group(f"a{i}")
        group[f"b{i}"] = inner
        group = inner


@pytest.mark.parametrize("change", [looped, doubled])
def test_groups_to_which_several_paths_lead_are_refused(
    change: Callable[[h5py.File], None], tmp_path: Path
) -> None:
    stream = io.BytesIO(weights_file("layers/q_dense/vars/0"))
    with h5py.File(stream, "a") as file:
        change(file)
    parts = entries() | {"model.weights.h5": stream.getvalue()}
    told = bad(write(tmp_path, *parts.items()), DEFAULT_LIMITS.with_values({"reader-seconds": 2}))
    assert told.endswith("has two names, or lies in a loop")


def test_groups_in_each_other_are_limited(tmp_path: Path) -> None:
    """Those of an ordinary file are three."""
    path = write(tmp_path, *entries().items())
    told = bad(path, DEFAULT_LIMITS.with_values({"group-depth": 2}))
    assert told == (
        "the group '/layers/q_dense/vars' lies too deep: limit 2 (--limit group-depth=N raises it)"
    )
    read_model(path, limits=DEFAULT_LIMITS.with_values({"group-depth": 3}))
    stream = io.BytesIO(weights_file("layers/q_dense/vars/0", "layers" + "/a" * 32 + "/0"))
    parts = entries() | {"model.weights.h5": stream.getvalue()}
    assert "lies too deep: limit 32 " in bad(write(tmp_path, *parts.items()))


def test_what_is_unused_is_told_once_and_not_looked_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where a group lies in itself, and where there are too many links."""
    with h5py.File(io.BytesIO(weights_file("a/x", "a/y")), "a") as file:
        file["a/again"] = file["a"]
        assert leftover.unused(file, set()) == ["/a/again", "/a/x", "/a/y"]
        monkeypatch.setattr(leftover, "LOOKED_AT", 3)  # a, a/again, a/x
        assert leftover.unused(file, set()) == ["/a/again", "/a/x"]


@pytest.mark.parametrize("paths", [["0", "iteration"], ["0", "1", "iteration"]])
def test_a_counter_of_qkeras_v3_has_a_name_and_perhaps_a_number(
    tmp_path: Path, paths: list[str]
) -> None:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for path in paths:
            value = np.zeros(3, np.float32) if path == "0" else np.array(7, np.int64)
            file[f"layers/q_dense/vars/{path}"] = value
    parts = entries() | {"model.weights.h5": content.getvalue()}
    (stored,) = read_model(write(tmp_path, *parts.items())).weights.values()
    assert [weight.value.dtype.kind for weight in stored] == ["f", "i"]
