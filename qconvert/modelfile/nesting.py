"""Which layer each stored variable belongs to, from the architecture."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from qconvert.modelfile.contents import CONTAINERS, ByName, ByPosition
from qconvert.modelfile.layers import LayerNode
from qconvert.modelfile.malformed import MalformedError
from qconvert.modelfile.model import Array, StoredWeight, Weights

_Stored = tuple[StoredWeight, ...]
_Path = tuple[str, ...]
#: Of qkeras-v3's folded layers.
_COUNTER = ("iteration",)


def assign(layers: Sequence[LayerNode], stored: ByName | ByPosition) -> Weights:
    """The variables of every layer; `MalformedError` if any does not fit the architecture."""
    match stored:
        case ByName():
            return _by_name(layers, stored.layers)
        case ByPosition():
            return _by_position(layers, stored.arrays)


def _by_name(layers: Sequence[LayerNode], groups: Mapping[str, _Stored]) -> Weights:
    weights: dict[str, _Stored] = {}
    for node, group in _top_level(layers, groups):
        if node.children is None:
            weights[node.path] = group
        else:
            weights |= _spread(node, group)
    return weights


def _top_level(
    layers: Sequence[LayerNode], groups: Mapping[str, _Stored]
) -> Iterator[tuple[LayerNode, _Stored]]:
    """Pair by name, or by order, as Keras loads, where the names are of another session."""
    holding = {name: group for name, group in groups.items() if group}
    by_name = {node.name: node for node in layers}
    if holding.keys() <= by_name.keys():
        return ((by_name[name], group) for name, group in holding.items())
    # The model inserts input layers that the architecture of a Sequential may or may not list.
    expected = [node for node in layers if node.class_name != "InputLayer" or node.name in groups]
    if len(expected) != len(groups):
        strange = next(name for name in holding if name not in by_name)
        raise MalformedError(
            "QC505", f"holds weights of {strange[:200]!r}, which the architecture lacks"
        )
    pairs = zip(expected, groups.values(), strict=True)
    return ((node, group) for node, group in pairs if group)


def _spread(model: LayerNode, group: _Stored) -> dict[str, _Stored]:
    """A nested model's variables, which lie in one list, to the layers in it."""
    leaves = tuple(model.leaves)
    known, scopes = _scopes(leaves, model.path), _scopes_of(group)
    owners = [_owner(scope, known) for scope in scopes]
    found = [owner for owner in owners if owner is not None]
    if len(found) < len(owners):
        found = _owners_by_order(model, leaves, scopes)
    weights: dict[str, _Stored] = {leaf.path: () for leaf in leaves}
    for owner, weight in zip(found, group, strict=True):
        weights[owner] += (weight,)
    return {path: stored for path, stored in weights.items() if stored}


def _scopes_of(group: _Stored) -> list[str]:
    """Of each variable; QAdaptiveActivation's first one has none, and that of its averages.

    Between them lie other layers' variables, for averages are not trained.
    """
    named = [weight.name.rpartition("/") for weight in group]
    averages = iter([scope for scope, _, name in named if name.startswith("ema_min")])
    return [scope or next(averages, "") for scope, _, _ in named]


def _scopes(leaves: Iterable[LayerNode], model: str) -> dict[str, set[str]]:
    """The paths of the layers that a scope can stand for: by name, with or without its models."""
    known: dict[str, set[str]] = {}
    for leaf in leaves:
        models = leaf.path[len(model) + 1 : -len(leaf.name)].split("/")
        for name in (leaf.name, *leaf.inner):
            for start in range(len(models)):
                known.setdefault("/".join([*models[start:-1], name]), set()).add(leaf.path)
    return known


def _owner(scope: str, known: Mapping[str, set[str]]) -> str | None:
    """The layer that *scope* names outermost: inside it may lie a sublayer's scope."""
    parts = scope.split("/")
    for start in range(len(parts)):
        for end in range(len(parts), start, -1):
            paths = known.get("/".join(parts[start:end]))
            if paths is not None:
                return next(iter(paths)) if len(paths) == 1 else None
    return None


def _owners_by_order(
    model: LayerNode, leaves: Iterable[LayerNode], scopes: Sequence[str]
) -> list[str]:
    """Pair scopes and layers as Keras loads: in order, trainable variables first."""
    heads: list[str] = []
    for scope in scopes:
        if not any(f"{scope}/".startswith(f"{head}/") for head in heads):
            heads.append(scope)
    layers = [leaf for leaf in leaves if leaf.makes_variables]
    layers.sort(key=lambda leaf: not leaf.trainable)
    if len(heads) != len(layers):
        raise MalformedError(
            "QC502",
            f"the weights of {model.path!r} have {len(heads)} scopes for {len(layers)} layers",
        )
    paths = {head: leaf.path for head, leaf in zip(heads, layers, strict=True)}
    return [
        next(path for head, path in paths.items() if f"{scope}/".startswith(f"{head}/"))
        for scope in scopes
    ]


def _by_position(layers: Sequence[LayerNode], arrays: Mapping[_Path, Array]) -> Weights:
    used = {path[0] for path in arrays}
    container = next((name for name in CONTAINERS if name in used), CONTAINERS[0])
    places = dict(_places(layers, (), container))
    weights: dict[str, dict[_Path, Array]] = {node.path: {} for node in places.values()}
    for path, value in arrays.items():
        place = next((path[:end] for end in range(len(path)) if path[:end] in places), None)
        if place is None or path[-2] != "vars":
            raise MalformedError(
                "QC505", f"holds weights at {'/'.join(path)[:200]!r}, not in the model"
            )
        weights[places[place].path][path[len(place) :]] = value
    wrappers = {node.path for node in places.values() if node.inner}
    return {path: _in_order(stored, path in wrappers) for path, stored in weights.items() if stored}


def _places(
    layers: Sequence[LayerNode], prefix: _Path, container: str
) -> Iterator[tuple[_Path, LayerNode]]:
    """The group of every layer: its class in snake case, numbered among the layers of a model."""
    used: dict[str, int] = {}
    for node in layers:
        name = _snake_case(node.class_name)
        count = used[name] = used.get(name, -1) + 1
        place = (*prefix, container, f"{name}_{count}" if count else name)
        if node.children is None:
            yield place, node
        else:
            yield from _places(node.children, place, container)


def _snake_case(name: str) -> str:
    """``to_snake_case`` of tf_keras/src/utils/generic_utils.py."""
    spaced = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    snake = re.sub("([a-z])([A-Z])", r"\1_\2", spaced).lower()
    return "private" + snake if snake.startswith("_") else snake


def _in_order(stored: Mapping[_Path, Array], is_wrapper: bool) -> _Stored:
    """Own variables and then the sublayers', in the order in which Keras walks over attributes."""
    parts: dict[str, dict[_Path, Array]] = {}
    for (head, *rest), value in stored.items():
        parts.setdefault(head, {})[tuple(rest)] = value
    own = _own_variables(parts.pop("vars", {}))
    inner = tuple(
        weight for name in sorted(parts, reverse=True) for weight in _in_order(parts[name], False)
    )
    return (*inner, *_without_repeats(own, inner)) if is_wrapper else (*own, *inner)


def _own_variables(stored: Mapping[_Path, Array]) -> _Stored:
    """By number; a counter that qkeras-v3 keeps by name too comes last."""
    counters = [StoredWeight("", value) for path, value in stored.items() if path == _COUNTER]
    numbers = [(str(i),) for i in range(len(stored) - len(counters))]
    if not stored.keys() <= {*numbers, _COUNTER}:
        raise MalformedError("QC502", "the variables of a layer are not numbered from 0")
    numbered = [StoredWeight("", stored[number]) for number in numbers]
    if any(_is_same(counter, weight) for counter in counters for weight in numbered):
        counters = []
    return (*numbered, *counters)


def _without_repeats(own: _Stored, inner: _Stored) -> _Stored:
    """Drop what leads *own* and is the inner layer's: PruneLowMagnitude tracks kernels twice."""
    left = iter(inner)
    repeats = 0
    while repeats < len(own) and any(_is_same(own[repeats], weight) for weight in left):
        repeats += 1
    return own[repeats:]


def _is_same(a: StoredWeight, b: StoredWeight) -> bool:
    return a.value.dtype == b.value.dtype and np.array_equal(a.value, b.value)
