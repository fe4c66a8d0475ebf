"""The programs that run a model, and the files that they read."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx

from qconvert.benchmarking.inputs import Array, as_floats, drawn
from qconvert.benchmarking.product import SIZE, factor, product
from qconvert.benchmarking.results import Column
from qconvert.benchmarking.running import CONVERTING, ONNX_RUNTIME, Program, convert_with_tf2onnx
from qconvert.checking.results import CheckedFile
from qconvert.errors import UsageError, WitnessError, naming_file
from qconvert.runners.npz import write_npz

#: The measured file as it is deployed.
MEASURED: Final = "ONNX Runtime"
TF2ONNX: Final = "tf2onnx's file"
#: The ground truth, which graphs of TensorFlow may differ from.
EAGER: Final = "TensorFlow model(x)"
#: Programs of the worker that load the Keras model, in the order in which they are shown.
KERAS: Final[Mapping[str, str]] = {
    EAGER: "eager",
    "TensorFlow predict": "predict",
    "TensorFlow tf.function": "function",
    "TensorFlow Lite": CONVERTING,
}
_PRODUCT: Final = "int8 matrix product"


@dataclass(frozen=True, slots=True)
class Against:
    """The Keras model of the measured file, and the interpreter that has TensorFlow.

    *notes* tell what makes one doubt that it is that model.
    """

    file: CheckedFile
    path: Path
    weights: Path | None = None
    python: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Programs:
    """The measured file first, then the *others*; *refused* are those that cannot be made."""

    measured: Program
    others: tuple[Program, ...]
    refused: tuple[Column, ...]
    product: Program


def programs(
    file: Path,
    model: onnx.ModelProto,
    against: Against | None,
    batches: Iterable[int],
    folder: Path,
) -> Programs:
    """All that run the *model* of *file*; *folder* takes what they read."""
    with naming_file(file, UsageError):
        arrays = {batch: drawn(model, batch) for batch in batches}
    measured = Program(
        MEASURED, ONNX_RUNTIME, _openable(file, folder), _written(folder, "file", arrays)
    )
    path = folder / "product.onnx"
    onnx.save(product(), path)
    factors = _written(folder, "product", {SIZE: factor()})
    plain = Program(_PRODUCT, ONNX_RUNTIME, path, factors)
    if against is None:
        return Programs(measured, (), (), plain)
    floats = {batch: as_floats(each) for batch, each in arrays.items()}
    inputs = _written(folder, "keras", floats)
    others = [
        Program(name, kind, against.path, inputs, against.weights, against.python)
        for name, kind in KERAS.items()
    ]
    theirs = folder / "tf2onnx.onnx"
    try:
        convert_with_tf2onnx(against.path, against.weights, theirs, against.python)
    except WitnessError as error:
        refused = Column(TF2ONNX, None, (), failure=error.coded)
        return Programs(measured, tuple(others), (refused,), plain)
    others.insert(0, Program(TF2ONNX, ONNX_RUNTIME, theirs, inputs))
    return Programs(measured, tuple(others), (), plain)


def _openable(file: Path, folder: Path) -> Path:
    """*file*, or a link to it in *folder*: ONNX Runtime takes paths that are UTF-8."""
    try:
        str(file.absolute()).encode()
    except UnicodeEncodeError:
        link = folder / "measured.onnx"
        link.symlink_to(file.absolute())
        return link
    return file


def _written(folder: Path, name: str, arrays: Mapping[int, Mapping[str, Array]]) -> dict[int, Path]:
    def files() -> Iterator[tuple[int, Path]]:
        for batch, each in arrays.items():
            path = folder / f"{name}-{batch}.npz"
            write_npz(path, each)
            yield batch, path

    return dict(files())
