"""Keras 3 makes the same model of the clean file that a check gives it as of the original."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import pytest

from qconvert.modelfile import KerasFiles, ModelFile, read_model, write_clean
from scripts import clean_files
from scripts.clean_files import Loader, different
from tests.v3.test_models import FILES

pytestmark = pytest.mark.usefixtures("forked_reader")


@pytest.fixture(scope="module")
def loader(v3_models: Path, v3_python: Path) -> Iterator[Loader]:
    with Loader(v3_models / "dense.keras", python=v3_python) as started:
        started.load()
        yield started


@pytest.mark.parametrize("name", FILES)
def test_a_clean_file_is_the_same_model(name: str, v3_models: Path, loader: Loader) -> None:
    path = v3_models / name
    assert different(loader, path, read_model(path)) == []


def test_another_number_is_another_model(
    v3_models: Path, loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiled(file: ModelFile, folder: Path) -> KerasFiles:
        clean = write_clean(file, folder)
        with h5py.File(clean.model, "a") as content:
            names: list[str] = []
            content.visit(names.append)
            kernel = next(content[name] for name in names if name.endswith("kernel"))
            kernel[...] += 1
        return clean

    monkeypatch.setattr(clean_files, "write_clean", spoiled)
    path = v3_models / "dense.h5"
    names = different(loader, path, read_model(path))
    assert any(name.startswith("weight ") for name in names)
    assert any(name.startswith("output ") for name in names)
