"""From what the caller names to a graph; where it is asked to, TensorFlow helps in its process."""

import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

from qconvert.errors import BadFileError, UnsupportedError, UsageError
from qconvert.frontend import build_graph
from qconvert.frontend.refused import require_no_code
from qconvert.ir import Graph
from qconvert.ir.graph import is_of_batch
from qconvert.modelfile import (
    DEFAULT_LIMITS,
    KerasFiles,
    Limits,
    ModelFile,
    copy_saved_model,
    files_of,
    read_model,
    write_clean,
)
from qconvert.modelfile.malformed import blaming
from qconvert.modelfile.source import kind_of

if TYPE_CHECKING:
    from qconvert.checking import Samples
    from qconvert.frontend.opaque import Converted, StockLayer
    from qconvert.runners.assistant import Assistant

Array: TypeAlias = npt.NDArray[np.generic]
AnyPath: TypeAlias = str | os.PathLike[str]
#: A ``.npy`` or ``.npz`` file, an array, or arrays by name of the model's input.
Inputs: TypeAlias = AnyPath | Array | Mapping[str, Array]

#: Who may convert the layers that qconvert does not know.
OPAQUE_CONVERTERS = ("tf2onnx",)


class ReadingOptions(TypedDict, total=False):
    """The help to read a model that the caller allows: the fields of `Source` besides it."""

    weights: AnyPath | None
    via_tensorflow: bool
    opaque: str | None
    tf_python: AnyPath | None
    freeze_scales: Inputs | None
    limits: Mapping[str, int]
    strict: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A model, a path or a live one, and the help to read it that the caller allows."""

    model: AnyPath | object
    weights: AnyPath | None = None
    via_tensorflow: bool = False
    opaque: str | None = None
    tf_python: AnyPath | None = None
    freeze_scales: Inputs | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    strict: bool = False

    @property
    def is_live(self) -> bool:
        """Whether the model is an object, which no file is read for."""
        return not isinstance(self.model, (str, os.PathLike))

    @property
    def read_within(self) -> Limits:
        """The limits of what is read; `UsageError` for one that does not exist."""
        return DEFAULT_LIMITS.with_values(self.limits)

    @property
    def paths(self) -> list[Path]:
        """The files and folders that are read."""
        paths = []
        if isinstance(self.model, (str, os.PathLike)):
            weights = None if self.weights is None else Path(self.weights)
            paths += files_of(Path(self.model), weights)
        if isinstance(self.freeze_scales, (str, os.PathLike)):
            paths.append(Path(self.freeze_scales))
        return paths

    @property
    def python(self) -> Path | None:
        """The interpreter of TensorFlow's process, if not this one."""
        return None if self.tf_python is None else Path(self.tf_python)


def source_of(function: str, model: AnyPath | object, reading: ReadingOptions) -> Source:
    """What the *function* of the Python interface reads; `TypeError` for an unknown option."""
    for name in reading:
        if name not in ReadingOptions.__annotations__:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
    return Source(model, **reading)


def require_no_keras_options(onnx: AnyPath, options: Mapping[str, object]) -> None:
    """`UsageError` for any of the *options* that is given, for they are about a Keras model."""
    given = [
        f"--{name.replace('_', '-')}"
        for name, value in options.items()
        if value is not None and value is not False
    ]
    if given:
        reason = "say how a Keras model is read, and there is none"
        raise UsageError("QC002", f"{onnx} is an ONNX file: {', '.join(given)} {reason}")


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A model as it was read; ``keras`` are files of it that Keras loads, if they are wanted.

    ``digest`` is the hash of the model file; a live model has none that anybody could compute.
    ``frozen_on`` are the samples whose scales the graph has, in one batch.
    """

    file: ModelFile
    graph: Graph
    keras: KerasFiles | None
    digest: str | None
    frozen_on: "Samples | None" = None


@contextmanager
def opened(source: Source, *, for_keras: bool = False) -> Iterator[Opened]:
    """Read a model. *For Keras*, new files are made of what was read, which stay until the end."""
    if source.opaque is not None and source.opaque not in OPAQUE_CONVERTERS:
        wanted = ", ".join(OPAQUE_CONVERTERS)
        raise UsageError(
            "QC003", f"there is no converter {source.opaque!r} of layers, only {wanted}"
        )
    with ExitStack() as stack:
        helper = _Helper(source.python, stack)
        file = _read(source, helper)
        converter = None if source.opaque is None else helper.to_opaque
        freezing = source.freeze_scales is not None
        graph = build_graph(file, converter, freezing=freezing, limits=source.read_within)
        frozen_on = None
        if source.freeze_scales is not None:
            graph, frozen_on = _frozen(graph, source.freeze_scales, source.read_within, file.path)
        keras = _for_keras(source, file, helper) if for_keras else None
        yield Opened(file, graph, keras, None if source.is_live else file.sha256, frozen_on)


@contextmanager
def read_for_keras(source: Source) -> Iterator[tuple[ModelFile, KerasFiles]]:
    """A model with whatever layers, and files of it for Keras, which stay until the end."""
    with ExitStack() as stack:
        helper = _Helper(source.python, stack)
        file = _read(source, helper)
        require_no_code(file)
        yield file, _for_keras(source, file, helper)


def _frozen(graph: Graph, given: Inputs, limits: Limits, path: Path) -> "tuple[Graph, Samples]":
    """The graph of the model *path* with the scales of the samples *given*, as one batch."""
    from qconvert.checking import Samples, from_user, in_one_batch
    from qconvert.reference import freeze

    if graph.opaque:
        raise UsageError(
            "QC002", "scales are frozen by the NumPy reference, which knows no opaque layers"
        )
    if not any(is_of_batch(node.op) for node in graph.nodes):
        raise UsageError(
            "QC013", f"{path}: there is no scale to freeze: none of the model depends on the batch"
        )
    inputs = Path(given) if isinstance(given, (str, os.PathLike)) else given
    samples = in_one_batch(from_user(graph, inputs, limits=limits))
    batch = next(samples.batches)
    with blaming(path):
        frozen = freeze(graph, batch)
    return frozen, Samples(samples.description, samples.count, iter([batch]))


@dataclass(slots=True)
class _Helper:
    """What is needed on the way and freed at the end: folders, and TensorFlow if it is asked."""

    python: Path | None
    stack: ExitStack
    started: "Assistant | None" = None

    @property
    def assistant(self) -> "Assistant":
        """TensorFlow's process, one for all requests."""
        from qconvert.runners.assistant import Assistant

        if self.started is None:
            self.started = self.stack.enter_context(Assistant(self.python))
        return self.started

    def to_opaque(self, layer: "StockLayer") -> "Converted":
        """A stock layer as tf2onnx converts it; none may need it, and TensorFlow never start."""
        return self.assistant.to_opaque(layer)

    def folder(self) -> Path:
        """A new folder."""
        return Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="qconvert-")))


def _read(source: Source, helper: _Helper) -> ModelFile:
    if not isinstance(source.model, (str, os.PathLike)):
        from qconvert.frontend.live import model_file

        if source.weights is not None or source.via_tensorflow:
            raise UsageError("QC002", "a live model has its own weights, and is no folder")
        return model_file(source.model)
    path = Path(source.model)
    if source.via_tensorflow:
        return _converted(path, source, helper)
    weights = None if source.weights is None else Path(source.weights)
    return read_model(path, weights, limits=source.read_within, strict=source.strict)


def _converted(folder: Path, source: Source, helper: _Helper) -> ModelFile:
    """A SavedModel as TensorFlow writes it anew; it is called by its folder all the same."""
    if source.weights is not None or kind_of(folder) not in (0, stat.S_IFDIR):
        raise UsageError(
            "QC002", "--via-tensorflow is for SavedModel folders, which hold their weights"
        )
    temporary = helper.folder()
    path = temporary / "model.h5"
    limits = source.read_within
    digest = copy_saved_model(folder, temporary / "saved_model", limits)
    try:
        helper.assistant.to_h5(temporary / "saved_model", path)
        return replace(read_model(path, limits=limits), path=folder, sha256=digest)
    except BadFileError as error:
        raise BadFileError(error.code, folder, error.reason) from None
    except UnsupportedError as error:
        raise UnsupportedError(error.problems, folder) from None


def _for_keras(source: Source, file: ModelFile, helper: _Helper) -> KerasFiles:
    """Files for Keras: of a live model, or of what was read, and never the file that was given."""
    folder = helper.folder()
    if not source.is_live:
        return write_clean(file, folder)
    from qconvert.frontend.live import save_for_keras

    save_for_keras(source.model, file, folder / "model.h5")
    return KerasFiles(folder / "model.h5")
