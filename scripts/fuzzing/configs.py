"""F2: architectures with something changed in them: a graph and its file, or one error."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from qconvert.emit import to_onnx
from qconvert.errors import BadFileError, LimitError, QConvertError
from qconvert.frontend import build_graph
from qconvert.modelfile import DEFAULT_LIMITS, Json, ModelFile, require_listed_layers
from qconvert.modelfile.architecture import parse_architecture
from qconvert.modelfile.contents import ByName, ByPosition
from qconvert.modelfile.layers import layer_tree
from qconvert.modelfile.malformed import BeyondLimitError, MalformedError
from qconvert.modelfile.nesting import assign
from scripts.fuzzing import seeds
from scripts.fuzzing.drawn import Drawn
from scripts.fuzzing.tally import WrongError, outcome_of

_EXTREME: Final[tuple[Json, ...]] = (
    0, 1, 2, 3, -1, 1 << 20, 1 << 40, (1 << 63) - 1, -(1 << 63), 0.0, -0.0, 0.5, 1e-45, 1e308, True, False, None,
    "", "x" * 201, "linear", "same", "causal", "channels_first", "float16", "../../x", "\u202e", "QDense",
    "quantized_bits(4,0,alpha='auto')", "quantized_relu(10000,2)", "quantized_po2(4,0)", "Lambda",
    [], {}, [None], [[]], [0, 0], [1 << 40, 1 << 40], [None, None, None, None, None],
    {"class_name": "Lambda", "config": {}}, {"class_name": "quantized_bits", "config": {"bits": 1 << 40}},
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
    """A model's architecture, and the changes in it."""

    model: ModelFile
    changes: tuple[Change, ...]

    def config(self) -> dict[str, Json]:
        """The architecture as JSON has it."""
        assert self.model.stored is not None
        root: dict[str, Json] = deepcopy(self.model.stored.architecture)
        for change in self.changes:
            _apply(root, change)
        return root


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


def _apply(root: dict[str, Json], change: Change) -> None:
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
            container[key] = change.value


def read(text: bytes, model: ModelFile) -> bytes:
    """The ONNX file of an architecture with the weights of a *model*, as `read_model` has it."""
    assert model.stored is not None
    assert model.stored.contents.stored is not None
    try:
        found = _parsed(text, model, model.stored.contents.stored)
    except BeyondLimitError as error:
        raise LimitError(error.code, str(error)) from error
    except MalformedError as error:
        raise BadFileError(error.code, "model", str(error)) from error
    return to_onnx(build_graph(found)).SerializeToString(deterministic=True)


def _parsed(text: bytes, model: ModelFile, stored: ByName | ByPosition) -> ModelFile:
    architecture = parse_architecture(text, "the architecture", DEFAULT_LIMITS)
    again = parse_architecture(json.dumps(architecture.whole).encode(), "it", DEFAULT_LIMITS)
    if (architecture.config, architecture.whole) != (again.config, again.whole):
        raise WrongError("what was read is not what is written of it")
    require_listed_layers(architecture.config["class_name"])
    weights = assign(layer_tree(architecture.config), stored)
    return replace(
        model, config=architecture.config, weights=weights, path=Path("model"), sha256="0" * 64
    )


def attempt(case: Changed) -> str:
    """Read it twice, the second time in another form, for the same ONNX file."""
    config = case.config()
    try:
        found = read(json.dumps(config).encode(), case.model)
    except QConvertError as error:
        return outcome_of(error)
    if read(json.dumps(config, indent=1, ensure_ascii=False).encode(), case.model) != found:
        raise WrongError("the same architecture gives another file")
    return ""


def target(folder: Path | None) -> Drawn[Changed]:
    """Of the models of the tests, and of *folder*."""
    few = st.lists(changes(), max_size=3).map(tuple)
    return Drawn(
        name="config",
        what="architectures with changes",
        inputs=st.builds(Changed, st.sampled_from(seeds.models(folder)), few),
        attempt=attempt,
        content=lambda case: json.dumps(case.config(), indent=1).encode(),
        suffix=".json",
        seconds=8.0,
    )
