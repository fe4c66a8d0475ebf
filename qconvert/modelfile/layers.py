"""The layers of an architecture as a tree, as far as the naming of weights needs it."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qconvert.modelfile.limits import DEFAULT_LIMITS, Limits
from qconvert.modelfile.malformed import BeyondLimitError, MalformedError
from qconvert.strict_json import Json

_NAME = re.compile(r"[A-Za-z0-9_./>:-]+")
#: Those, in words.
_CHARACTERS = "A to Z, a to z, 0 to 9 and _ . / > : -"


@dataclass(frozen=True, slots=True)
class LayerNode:
    """One layer; ``path`` joins the names of the models around it and its own.

    ``inner`` are the names of the layers that it wraps. ``children`` are the layers of a nested
    model, None for any other layer.
    """

    path: str
    name: str
    class_name: str
    inner: tuple[str, ...]
    makes_variables: bool
    trainable: bool
    children: "tuple[LayerNode, ...] | None"

    @property
    def all(self) -> "Iterator[LayerNode]":
        """The layer itself and those in it."""
        yield self
        for child in self.children or ():
            yield from child.all

    @property
    def leaves(self) -> "Iterator[LayerNode]":
        """The layers proper of this layer, depth first."""
        if self.children is None:
            yield self
            return
        for child in self.children:
            yield from child.leaves


def layer_tree(model: dict[str, Json], limits: Limits = DEFAULT_LIMITS) -> tuple[LayerNode, ...]:
    """The layers of a model's ``{"class_name": ..., "config": ...}`` in Keras's order."""
    listed = _listed_layers(model.get("config"))
    if listed is None:
        raise MalformedError("QC313", "the architecture lists no layers")
    nodes = _nodes(listed, "")
    _require_within(nodes, limits)
    _require_distinct([leaf.path for node in nodes for leaf in node.leaves])
    return nodes


def _require_within(nodes: tuple[LayerNode, ...], limits: Limits) -> None:
    every = [node for top in nodes for node in top.all]
    if len(every) > limits.layers:
        raise BeyondLimitError("QC324", f"{len(every):,} layers: {limits.of('layers')}")
    longest = max(
        (name for node in every for name in (node.name, *node.inner)), key=len, default=""
    )
    if len(longest) > limits.name_length:
        raise MalformedError(
            "QC331",
            f"the name of a layer has {len(longest):,} characters: {limits.of('name_length')}",
        )


def _listed_layers(config: Json) -> list[Json] | None:
    """The layers of a model; old Sequentials are a bare list. None for other layers."""
    listed = config.get("layers") if isinstance(config, dict) else config
    return listed if isinstance(listed, list) else None


def _nodes(listed: Sequence[Json], prefix: str) -> tuple[LayerNode, ...]:
    nodes = tuple(_node(entry, prefix) for entry in listed)
    _require_distinct([node.path for node in nodes])
    return nodes


def _require_distinct(paths: Sequence[str]) -> None:
    if len(set(paths)) < len(paths):
        counts = Counter(paths)
        twice = next(path for path in paths if counts[path] > 1)
        raise MalformedError("QC312", f"two layers are called {twice!r}")


def _node(entry: Json, prefix: str) -> LayerNode:
    if not isinstance(entry, dict) or not isinstance(class_name := entry.get("class_name"), str):
        raise MalformedError("QC203", f"a layer in {prefix or 'the model'!r} has no class name")
    config = entry.get("config")
    name = _name(entry)
    path = f"{prefix}/{name}" if prefix else name
    listed = _listed_layers(config)
    return LayerNode(
        path=path,
        name=name,
        class_name=class_name.rpartition(">")[2],
        inner=tuple(_name(wrapped) for wrapped in _wrapped(config)),
        makes_variables=_makes_variables(config)
        or "QAdaptiveActivation" in str(entry["class_name"]),
        trainable=not isinstance(config, dict) or config.get("trainable") is not False,
        children=None if listed is None else _nodes(listed, path),
    )


def _name(entry: dict[str, Json]) -> str:
    config = entry.get("config")
    inside = config.get("name") if isinstance(config, dict) else None
    name = inside if inside is not None else entry.get("name")
    if not isinstance(name, str) or not name:
        raise MalformedError("QC312", f"not a layer name: {str(name)[:200]!r}")
    if not _NAME.fullmatch(name):
        raise MalformedError(
            "QC330", f"a layer name with other characters than {_CHARACTERS}: {name[:200]!r}"
        )
    if entry.get("name", name) != name:
        raise MalformedError("QC312", f"a layer has two names: {entry['name']!r} and {name!r}")
    return name


def _wrapped(config: Json) -> Iterator[dict[str, Json]]:
    inner = config.get("layer") if isinstance(config, dict) else None
    if isinstance(inner, dict):
        yield inner
        yield from _wrapped(inner.get("config"))


def _makes_variables(config: Json) -> bool:
    """Whether a layer, or one that it wraps, says how its variables are to be initialized."""
    configs = [config, *(wrapped.get("config") for wrapped in _wrapped(config))]
    return any(
        key.endswith("_initializer") for one in configs if isinstance(one, dict) for key in one
    )
