"""HDF5 as Keras writes it, read without following anything out of the file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h5py

from .leftover import behind, unused
from .refusal import RefusalError
from .values import Budget, array, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    Json: TypeAlias = Any
    Path: TypeAlias = tuple[str, ...]

#: What h5py raises on damaged files.
DAMAGE = (OSError, RuntimeError, ValueError, TypeError, KeyError, OverflowError)
#: What HDF5 says where texts are longer than there is memory, and is no damage.
NO_MEMORY = "memory allocation failed for VL data"
#: The weights of a model itself, not of any of its layers.
OWN_WEIGHTS = "top_level_model_weights"
#: Where tf_keras, and where Keras 2.13 and 2.14, keep the layers of a model.
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
#: What Keras says of who wrote a file.
WRITERS = ("keras_version", "backend")


def read_hdf5(descriptor: int, budget: Budget) -> dict[str, Json]:
    """Everything that matters to inference in the HDF5 file behind *descriptor*."""
    more = behind(descriptor)
    with opened(descriptor) as file:
        group = "model_weights" if has(file, "model_weights") else ""
        weights = child(file, group) if group else file
        config = text(file, "model_config", budget)
        found: dict[str, Json] = {
            "group": group,
            "config": None if config is None else budget.results.append(config),
            "of_file": written_by(file, budget),
            "of_weights": written_by(weights, budget),
            **stored(weights, budget),
        }
        found["unused"] = [*more, *unused(file, budget.consumed)]
        return found


@contextmanager
def opened(descriptor: int) -> Iterator[h5py.File]:
    """The file, whatever goes wrong with it refused."""
    try:
        # By the descriptor: HDF5 refuses paths that lead to a file without a name.
        with open(descriptor, "rb", 0, closefd=False) as raw, h5py.File(raw, "r") as file:
            yield file
    except DAMAGE as error:
        if NO_MEMORY in str(error):
            raise MemoryError from None
        reason = repr(str(error)[:200] or type(error).__name__)[1:-1]
        raise RefusalError("QC111", f"damaged HDF5: {reason}") from None


def written_by(owner: h5py.Group, budget: Budget) -> dict[str, str]:
    """Which Keras wrote a group, as far as it says so."""
    found = {name: text(owner, name, budget) for name in WRITERS}
    return {name: value.decode() for name, value in found.items() if value is not None}


def stored(weights: h5py.Group, budget: Budget) -> dict[str, Json]:
    """The variables, by names or by positions; nothing if the file is not one of Keras's."""
    names = texts(weights, "layer_names", budget)
    if names is not None:
        return {"by_name": by_name(weights, names, budget)}
    if any(has(weights, name) for name in CONTAINERS):
        return by_position(weights, budget)
    return {}


def by_name(weights: h5py.Group, names: list[str], budget: Budget) -> list[Json]:
    """Pairs of a layer's name and its variables."""
    if len(set(names)) < len(names):
        raise RefusalError("QC312", "two layers share a name in the list of stored layers")
    if has(weights, OWN_WEIGHTS):
        names = [*names, OWN_WEIGHTS]
    layers = [[name, variables(child(weights, name), budget)] for name in names]
    return [layer for layer in layers if layer[1] or layer[0] != OWN_WEIGHTS]


def variables(layer: h5py.Group, budget: Budget) -> list[Json]:
    """Pairs of a variable's name and its array."""
    names = texts(layer, "weight_names", budget)
    if names is None:
        raise RefusalError("QC514", f"{layer.name!r} has no list of weights")
    return [[name, array(member(layer, name), budget)] for name in names]


def by_position(file: h5py.Group, budget: Budget) -> dict[str, Json]:
    """All arrays below the layers and of the model itself; not those of an optimizer."""
    arrays: list[Json] = []
    groups: list[Path] = []
    seen = {file}
    for root in ("vars", *CONTAINERS):
        if has(file, root):
            walk(child(file, root), (root,), arrays, groups, seen, budget)
    return {"by_position": arrays, "groups": groups}


def walk(
    group: h5py.Group,
    path: Path,
    arrays: list[Json],
    groups: list[Path],
    seen: set[h5py.Group],
    budget: Budget,
) -> None:
    """Collect what lies below a group."""
    if group in seen:
        raise RefusalError("QC511", f"the group {group.name!r} has two names, or lies in a loop")
    if len(path) > budget.limits["group_depth"]:
        raise RefusalError("QC511", f"the group {group.name!r} lies too deep", "group_depth")
    seen.add(group)
    groups.append(path)
    for name in group:
        if isinstance(name, bytes):
            raise RefusalError("QC209", f"a name in the group {group.name!r} is not UTF-8")
        inner = member(group, name)
        if isinstance(inner, h5py.Group):
            walk(inner, (*path, name), arrays, groups, seen, budget)
        else:
            arrays.append([(*path, name), array(inner, budget)])


def child(group: h5py.Group, path: str) -> h5py.Group:
    """The group at *path*."""
    found = member(group, path)
    if not isinstance(found, h5py.Group):
        raise RefusalError("QC514", f"{found.name!r} is not a group")
    return found


def member(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
    """What lies at *path*, all of whose links have to be hard ones: others lead elsewhere."""
    found: h5py.Group | h5py.Dataset = group
    for part in path.split("/"):
        nowhere = part in ("", ".") or "\0" in part  # which would end the name
        if nowhere or not isinstance(found, h5py.Group) or not has(found, part):
            raise RefusalError(
                "QC502", f"{path[:200]!r} is listed in {group.name!r}, but not there"
            )
        kind = found.id.links.get_info(part.encode()).type
        if kind == h5py.h5l.TYPE_EXTERNAL:
            raise RefusalError(
                "QC510", f"{part[:200]!r} in {found.name!r} is a link into another file,"
                " which was not opened",
            )  # fmt: skip
        if kind != h5py.h5l.TYPE_HARD:
            raise RefusalError("QC511", f"{part[:200]!r} in {found.name!r} is a link to elsewhere")
        found = found[part]
    return found


def has(group: h5py.Group, name: str) -> bool:
    """Whether there is a link of that name; h5py's ``in`` and ``get`` follow it, even to a file."""
    return bool(group.id.links.exists(name.encode()))
