"""Every kind of file that is not a model gets one clear sentence."""

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from qconvert.errors import BadFileError, LimitError, UnsupportedError, UsageError
from qconvert.modelfile import DEFAULT_LIMITS, copy_saved_model, read_model

WriteModel = Callable[..., Path]
DATA = Path(__file__).parents[1] / "data"


def bad(path: Path) -> str:
    with pytest.raises(BadFileError) as caught:
        read_model(path)
    assert caught.value.path == path
    return caught.value.reason


def unsupported(path: Path) -> str:
    with pytest.raises(UnsupportedError) as caught:
        read_model(path)
    return str(caught.value.problems[0])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b"\x89HDF\r\n\x1a\n\0\0", "truncated: 10 bytes of an HDF5 file"),
        (b"\n<!DOCTYPE html><p>", "an HTML page, not a model; did the download fail?"),
        (b"<html>", "an HTML page, not a model; did the download fail?"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "a Git LFS pointer, not the file itself; run: git lfs pull",
        ),
        (
            b"\x01\x02\x1b[31m",
            "not an HDF5 file, a Keras archive or a JSON architecture "
            r"(starts with b'\x01\x02\x1b[31m')",
        ),
    ],
)
def test_what_is_not_a_model_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    assert bad(path) == reason


@pytest.mark.parametrize("content", [b"\x08", b"\x80", b"P", b"\x89HDF", b"\0" * 5])
def test_a_few_bytes_are_nothing_yet(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    assert bad(path).startswith("not an HDF5 file, a Keras archive or a JSON architecture")


def test_a_superblock_alone_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(80))
    assert bad(path).startswith("damaged HDF5: ")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x1c\0\0\0TFL3\0", "a TFLite file"),
        (b"\x08\x0a\x12\x05keras", "an ONNX file"),
        (b"\x08\x01\x12\x80", "the graph of a SavedModel directory"),
    ],
)
def test_models_of_other_frameworks_get_the_way_back_to_keras(
    tmp_path: Path, content: bytes, what: str
) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    reason = "give the Keras model that it was made from: model.save('model.h5')"
    assert unsupported(path) == f"{what}; {reason}"


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.marker,)


def test_a_pickle_is_refused_unopened(tmp_path: Path) -> None:
    path, marker = tmp_path / "model.h5", tmp_path / "executed"
    path.write_bytes(pickle.dumps(Evil(marker)))
    assert unsupported(path).startswith("a pickle, which is a program and never opened")
    assert not marker.exists()


def test_missing_files_and_directories_are_told_apart(tmp_path: Path) -> None:
    assert bad(tmp_path / "nothing.h5") == "no such file"
    assert bad(tmp_path) == "a directory, not a file"


def test_a_saved_model_folder_gets_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    assert "give --via-tensorflow" in unsupported(tmp_path)


def saved_model(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_saved_model_is_copied_and_hashed_by_names_and_contents(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "a", ("variables/v.index", "saved_model.pb"))
    found = copy_saved_model(folder, tmp_path / "copy")
    parts = (
        b"saved_model.pb",
        b"14",
        b"saved_model.pbvariables/v.index",
        b"17",
        b"variables/v.index",
    )
    listed = b"\0".join(parts)
    assert found == hashlib.sha256(listed).hexdigest()
    assert (tmp_path / "copy/variables/v.index").read_bytes() == b"variables/v.index"


def test_a_saved_model_with_a_device_in_it_is_refused(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "a", ("saved_model.pb",))
    (folder / "assets").symlink_to("/dev/zero")
    with pytest.raises(BadFileError, match="not a regular file"):
        copy_saved_model(folder, tmp_path / "copy")


def test_a_limit_is_one_of_a_saved_model_s_files_too(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "a", ("saved_model.pb",))
    limits = DEFAULT_LIMITS.with_values({"file-bytes": len("saved_model.pb") - 1})
    with pytest.raises(LimitError, match=r"a/saved_model\.pb: too large: limit 13 "):
        copy_saved_model(folder, tmp_path / "copy", limits)


def test_a_folder_without_a_graph_is_no_saved_model(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"no saved_model\.pb"):
        copy_saved_model(tmp_path, tmp_path / "copy")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    os.mkfifo(path)
    assert bad(path) == "not a regular file"


def test_a_truncated_model_tells_how_much_is_missing(
    tmp_path: Path, write_model: WriteModel
) -> None:
    whole = write_model().read_bytes()
    path = tmp_path / "half.h5"
    path.write_bytes(whole[: len(whole) // 2])
    assert bad(path) == f"truncated: {len(whole) // 2} of {len(whole)} bytes"


def test_bytes_tell_the_format_and_names_do_not(tmp_path: Path, write_model: WriteModel) -> None:
    path = write_model().rename(tmp_path / "model.keras")
    assert list(read_model(path).weights) == ["d"]


def test_a_model_and_weights_that_are_swapped_are_said_to_look_so() -> None:
    model, weights = DATA / "encoder.json", DATA / "encoder_weights.hdf5"
    with pytest.raises(UsageError, match="look swapped") as caught:
        read_model(weights, model)
    assert str(caught.value).endswith(f"give {model} as the model, and --weights {weights}")


def test_only_an_architecture_takes_a_weights_file(write_model: WriteModel) -> None:
    path = write_model()
    with pytest.raises(UsageError, match="holds its own weights"):
        read_model(path, path)
