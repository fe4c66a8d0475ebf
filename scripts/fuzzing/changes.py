"""JSON with something changed in it."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from qconvert.modelfile import Json

_EXTREME: Final[tuple[Json, ...]] = (
    0, 1, 2, 3, -1, 1 << 20, 1 << 40, (1 << 63) - 1, -(1 << 63), 0.0, -0.0, 0.5, 1e-45, 1e308,
    True, False, None, "", "x" * 201, "linear", "same", "causal", "channels_first", "float16",
    "../../x", "\u202e", "QDense", "quantized_bits(4,0,alpha='auto')", "quantized_relu(10000,2)",
    "quantized_po2(4,0)", "Lambda", [], {}, [None], [[]], [0, 0], [1 << 40, 1 << 40],
    [None, None, None, None, None], {"class_name": "Lambda", "config": {}},
    {"class_name": "quantized_bits", "config": {"bits": 1 << 40}},
    {"class_name": "QDense", "config": {"name": "d"}}, {"class_name": "__tensor__", "config": {}},
)  # fmt: skip
_KINDS: Final = ("drop", "twice", "swap", "copy", "replace", "replace", "replace", "rename")
#: Layers that a nested value is wrapped in, at most.
_DEEP: Final = 70


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to the value number ``at``; ``other`` is the number of a second one."""

    kind: str
    at: int
    other: int
    value: Json


@dataclass(frozen=True, slots=True)
class Changed:
    """A document, and the changes in it in their order."""

    seed: Json
    changes: tuple[Change, ...]

    def document(self) -> Json:
        """The document, changed."""
        root = deepcopy(self.seed)
        for change in self.changes:
            _apply(root, change)
        return root

    def content(self) -> bytes:
        """The same as a file."""
        return json.dumps(self.document(), indent=1).encode()


def changed(seeds: tuple[Json, ...]) -> st.SearchStrategy[Changed]:
    """At most three changes."""
    return st.builds(Changed, st.sampled_from(seeds), st.lists(changes(), max_size=3).map(tuple))


def changes() -> st.SearchStrategy[Change]:
    """Of values early in the file as often as of late ones."""
    number = st.integers(0, 5000)
    deep = st.integers(1, _DEEP).map(_nested)
    values = st.one_of(st.sampled_from(_EXTREME), st.integers(), st.text(max_size=9), deep)
    return st.builds(Change, st.sampled_from(_KINDS), number, number, values)


def _nested(depth: int) -> Json:
    value: Json = 1
    for _ in range(depth):
        value = [value]
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - JSON, to be changed
    """Every value, as its container and the key in it."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _apply(root: Json, change: Change) -> None:
    places = list(_places(root))
    if not places:
        return
    container, key = places[change.at % len(places)]
    other, other_key = places[change.other % len(places)]
    match change.kind:
        case "drop":
            del container[key]
        case "twice" if isinstance(container, list):
            container.append(deepcopy(container[key]))
        case "swap":
            here, there = deepcopy(container[key]), deepcopy(other[other_key])
            other[other_key] = here
            container[key] = there
        case "copy":
            container[key] = deepcopy(other[other_key])
        case "rename" if isinstance(container, dict):
            container[str(change.value)] = container.pop(key)
        case _:
            container[key] = deepcopy(change.value)
