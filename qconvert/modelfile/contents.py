"""What an HDF5 file or archive of Keras's holds, as the isolated reader tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from qconvert.modelfile.magic import Format
from qconvert.modelfile.model import Array, StoredWeight
from qconvert.strict_json import Json

#: Where tf_keras, and where Keras 2.13 and 2.14, keep the layers of a model.
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")


@dataclass(frozen=True, slots=True, eq=False)
class ByName:
    """Variables by the names of top-level layers, all of them, in the file's order."""

    layers: Mapping[str, tuple[StoredWeight, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class ByPosition:
    """Variables by path: ``("layers", "q_dense_1", "vars", "0")``; ``groups`` may be empty ones."""

    arrays: Mapping[tuple[str, ...], Array]
    groups: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What Keras stored; ``stored`` is None if the file is not one of Keras's.

    ``of_file`` and ``of_weights`` are the texts that say who wrote them: ``keras_version`` and
    ``backend``. ``metadata`` is an archive's. ``unused`` are paths of what nothing was read of.
    ``group`` is the group of the weights, "" for the file itself.
    """

    config: bytes | None
    stored: ByName | ByPosition | None
    metadata: bytes | None = None
    of_file: Mapping[str, str] = field(default_factory=dict)
    of_weights: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class StoredModel:
    """What a file holds, as it is stored, for another file of the same model.

    ``format`` is that of the architecture; ``architecture`` is all that Keras reads of it.
    """

    format: Format
    architecture: dict[str, Json]
    contents: Contents
