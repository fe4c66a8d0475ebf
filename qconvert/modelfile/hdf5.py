"""HDF5 as Keras writes it, read without following anything out of the file."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import h5py

from qconvert.modelfile.hdf5_values import Budget, array, text, texts
from qconvert.modelfile.malformed import MalformedError
from qconvert.modelfile.model import Array, StoredWeight

#: What h5py raises on damaged files.
_DAMAGE = (OSError, RuntimeError, ValueError, TypeError, KeyError, OverflowError, MemoryError)
#: The weights of a model itself, not of any of its layers.
_OWN_WEIGHTS = "top_level_model_weights"
#: Where tf_keras, and where Keras 2.13 and 2.14, keep the layers of a model.
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
_MAX_GROUP_DEPTH = 32


@dataclass(frozen=True, slots=True, eq=False)
class ByName:
    """Variables by the names of top-level layers, all of them, in the file's order."""

    layers: Mapping[str, tuple[StoredWeight, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class ByPosition:
    """Variables by path: ``("layers", "q_dense_1", "vars", "0")``."""

    arrays: Mapping[tuple[str, ...], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What Keras stored; ``stored`` is None if the file is not one of Keras's."""

    model_config: str | None
    keras_version: str | None
    stored: ByName | ByPosition | None


def read_hdf5(data: bytes) -> Contents:
    """Everything that matters to inference in an HDF5 file."""
    with _opened(data) as file:
        weights = _child(file, "model_weights") if _has(file, "model_weights") else file
        version = text(weights, "keras_version") or text(file, "keras_version")
        return Contents(text(file, "model_config"), version, _stored(weights))


@contextmanager
def _opened(data: bytes) -> Iterator[h5py.File]:
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            yield file
    except _DAMAGE as error:
        reason = repr(str(error)[:200] or type(error).__name__)[1:-1]
        raise MalformedError("QC111", f"damaged HDF5: {reason}") from None


def _stored(weights: h5py.Group) -> ByName | ByPosition | None:
    names = texts(weights, "layer_names")
    if names is not None:
        return ByName(_by_name(weights, names))
    if any(_has(weights, name) for name in CONTAINERS):
        return ByPosition(_by_position(weights))
    return None


def _by_name(weights: h5py.Group, names: tuple[str, ...]) -> dict[str, tuple[StoredWeight, ...]]:
    if len(set(names)) < len(names):
        raise MalformedError("QC312", "two layers share a name in the list of stored layers")
    if _has(weights, _OWN_WEIGHTS):
        names = (*names, _OWN_WEIGHTS)
    budget = Budget()
    layers = {name: _variables(_child(weights, name), budget) for name in names}
    if not layers.get(_OWN_WEIGHTS):
        layers.pop(_OWN_WEIGHTS, None)
    return layers


def _variables(layer: h5py.Group, budget: Budget) -> tuple[StoredWeight, ...]:
    names = texts(layer, "weight_names")
    if names is None:
        raise MalformedError("QC514", f"{layer.name!r} has no list of weights")
    return tuple(StoredWeight(name, array(_member(layer, name), budget)) for name in names)


def _by_position(file: h5py.Group) -> dict[tuple[str, ...], Array]:
    """All arrays below the layers and of the model itself; not those of an optimizer."""
    arrays: dict[tuple[str, ...], Array] = {}
    budget, seen = Budget(), {file}
    for root in ("vars", *CONTAINERS):
        if _has(file, root):
            _walk(_child(file, root), (root,), arrays, budget, seen)
    return arrays


def _walk(
    group: h5py.Group,
    path: tuple[str, ...],
    arrays: dict[tuple[str, ...], Array],
    budget: Budget,
    seen: set[h5py.Group],
) -> None:
    if group in seen or len(path) > _MAX_GROUP_DEPTH:
        raise MalformedError("QC511", f"the group {group.name!r} lies in a loop or too deep")
    seen.add(group)
    for name in group:
        member = _member(group, name)
        if isinstance(member, h5py.Group):
            _walk(member, (*path, name), arrays, budget, seen)
        else:
            arrays[(*path, name)] = array(member, budget)


def _child(group: h5py.Group, path: str) -> h5py.Group:
    member = _member(group, path)
    if not isinstance(member, h5py.Group):
        raise MalformedError("QC514", f"{member.name!r} is not a group")
    return member


def _member(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
    """What lies at *path*, all of whose links have to be hard ones: others lead elsewhere."""
    member: h5py.Group | h5py.Dataset = group
    for part in path.split("/"):
        if part in ("", ".") or not isinstance(member, h5py.Group) or not _has(member, part):
            raise MalformedError(
                "QC502", f"{path[:200]!r} is listed in {group.name!r}, but not there"
            )
        if member.id.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
            raise MalformedError(
                "QC511", f"{part[:200]!r} in {member.name!r} is a link to elsewhere"
            )
        member = member[part]
    return member


def _has(group: h5py.Group, name: str) -> bool:
    """Whether there is a link of that name; h5py's ``in`` and ``get`` follow it, even to a file."""
    return bool(group.id.links.exists(name.encode()))
