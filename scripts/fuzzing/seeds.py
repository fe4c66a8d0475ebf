"""Models that cases are made of: those of the tests, and of a folder of the user's."""

import io
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import h5py

from qconvert.errors import QConvertError
from qconvert.modelfile import ModelFile, read_model
from tests.hostile.building import KERNEL, KERNEL_PATH, archive, hdf5, instead_of_kernel, parts
from tests.hostile.case import Make
from tests.hostile.onnx_edits import Edit, external, functions, looped, sparse

DATA: Final = Path(__file__).resolve().parents[2] / "tests" / "data"
#: What ONNX files of others have besides.
OTHERS: Final[tuple[Edit, ...]] = (
    functions((2, "Identity"), (1, "f0")),
    looped(3),
    external("weights.bin"),
    sparse,
)
_SUFFIXES: Final = (".h5", ".json", ".keras")


@cache
def models(folder: Path | None) -> tuple[ModelFile, ...]:
    """The small model of the tests, and every model in *folder* and in their data."""
    with TemporaryDirectory() as name:
        small = read_model(hdf5()(Path(name)))
    return (small, *(model for each in (DATA, folder) if each for model in _below(each)))


def _below(folder: Path) -> Iterator[ModelFile]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in _SUFFIXES and path.is_file():
            try:
                yield read_model(path)
            except QConvertError:
                continue


@cache
def files() -> tuple[bytes, ...]:
    """HDF5 files of each kind of storage: small ones, most of whose bytes mean something."""
    packed = {"compression": "gzip", "shuffle": True, "fletcher32": True, "chunks": (2, 1)}
    chunked = instead_of_kernel(
        lambda file: file.create_dataset(KERNEL_PATH, data=KERNEL, **packed)
    )
    small, other = _made(hdf5()), _made(chunked)
    return small, other, _latest(small), _latest(other), (DATA / "jet_deepsets.h5").read_bytes()


@cache
def archives() -> tuple[bytes, ...]:
    """Archives of Keras's."""
    undated = [(zipfile.ZipInfo(name), content) for name, content in parts().items()]
    return _made(archive(undated)), (DATA / "mnist_cnn.keras").read_bytes()


def _made(make: Make) -> bytes:
    with TemporaryDirectory() as name:
        return make(Path(name)).read_bytes()


def _latest(content: bytes) -> bytes:
    """The same in the newest version of the format, which tf_keras does not write."""
    stream = io.BytesIO()
    with h5py.File(io.BytesIO(content)) as old, h5py.File(stream, "w", libver="latest") as new:
        for name in old:
            old.copy(name, new)
        for name, value in old.attrs.items():
            new.attrs[name] = value
    return stream.getvalue()
