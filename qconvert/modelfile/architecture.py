"""The architecture: Keras's JSON, as a file of its own or in a model, and where its weights are."""

from dataclasses import dataclass
from pathlib import Path

from qconvert.errors import BadFileError, Problem, UnsupportedError, UsageError
from qconvert.modelfile.json_limits import parse_object
from qconvert.modelfile.limits import Limits
from qconvert.modelfile.magic import is_json
from qconvert.modelfile.malformed import MalformedError
from qconvert.modelfile.source import head_of, is_saved_model, kind_of
from qconvert.strict_json import Json

_WEIGHT_SUFFIXES = ("_weights.h5", "_weights.hdf5", ".weights.h5", ".h5", ".hdf5")
#: What Keras stores beside the architecture; the rest is read strictly.
_NOT_ARCHITECTURE = frozenset({"keras_version", "backend", "build_config"})
#: What it is trained by, and nothing else is read for: of any form, numbers that are none too.
_OF_TRAINING = frozenset({"compile_config"})
#: Classes of models that list their layers and the calls of these.
_MODELS = ("Functional", "Model", "Sequential")


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model's class and configuration, and the Keras that wrote it where that is stated.

    ``whole`` is all that Keras reads of it, and nothing of training.
    """

    config: dict[str, Json]
    keras_version: str | None
    whole: dict[str, Json]


def parse_architecture(source: bytes, what: str, limits: Limits) -> Architecture:
    """Parse Keras's JSON of a model; errors call it *what*."""
    root = parse_object(source, what, limits, unread=_OF_TRAINING)
    if not isinstance(root.get("class_name"), str) or "config" not in root:
        raise MalformedError(
            "QC203", f"{what} is JSON, but not a Keras model: no class_name and config"
        )
    config = {key: value for key, value in root.items() if key not in _NOT_ARCHITECTURE}
    return Architecture(config, version_in(root), root)


def require_listed_layers(class_name: Json) -> None:
    """`UnsupportedError` for a model that is code: a subclass of Keras's ``Model``."""
    if class_name not in _MODELS:
        reason = (
            f"the model is of class {str(class_name)[:200]!r}, whose code says what it computes;"
            " supported: Functional and Sequential"
        )
        raise UnsupportedError([Problem("QC304", "", reason)])


def version_in(root: dict[str, Json]) -> str | None:
    """The Keras version that a JSON object states."""
    version = root.get("keras_version")
    return version if isinstance(version, str) else None


def files_of(model: Path, weights: Path | None = None) -> list[Path]:
    """The files that *model* is read from, weights that are looked for beside it among them.

    Of a SavedModel those that make it one; outputs may lie in its folder, too.
    """
    if weights is not None:
        return [model, weights]
    if is_saved_model(model):
        return [model, model / "saved_model.pb", *(model / "variables").glob("*")]
    if not is_json(head_of(model)):
        return [model]
    return [model, *filter(kind_of, _beside(model))]


def find_weights(path: Path) -> Path:
    """The one file beside the architecture *path* that holds its weights, by the usual names."""
    candidates = _beside(path)
    found = [candidate for candidate in candidates if kind_of(candidate)]
    if not found:
        raise BadFileError(
            "QC210",
            path,
            f"an architecture without weights; none beside it is called {_either(candidates)}",
        )
    if len(found) > 1:
        raise UsageError("QC211", f"{path}: say which of these holds the weights: {_either(found)}")
    return found[0]


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.stem + suffix) for suffix in _WEIGHT_SUFFIXES]


def _either(paths: list[Path]) -> str:
    *names, last = (path.name for path in paths)
    return f"{', '.join(names)} or {last}"
