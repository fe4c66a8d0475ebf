"""What a model file holds, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from qconvert.strict_json import Json

if TYPE_CHECKING:
    from qconvert.modelfile.contents import StoredModel

#: Native float32, another float type, or an integer type for counters; the file decides which.
Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class StoredWeight:
    """One variable; ``name`` is as stored, and empty where a file stores by position only."""

    name: str
    value: Array


#: Variables by *weight path*: layer names joined by ``/`` through nested models. A wrapper is
#: one path and holds the inner layer's variables too; a layer without variables is absent.
#: By name, the order is Keras's ``layer.weights``. By position, it is the layer's own variables
#: and then its sublayers'; a wrapper's inner layer comes before the wrapper's own.
Weights: TypeAlias = Mapping[str, tuple[StoredWeight, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class ModelFile:
    """A model as its file describes it; ``sha256`` is of the file, or of both joined.

    ``unused`` are the paths of what is in the file and nothing was read of. ``stored`` is what a
    clean file is made of, None of a live model.
    """

    path: Path
    weights_path: Path | None
    sha256: str
    keras_version: str | None
    config: dict[str, Json]
    weights: Weights
    unused: tuple[str, ...] = ()
    stored: "StoredModel | None" = None
