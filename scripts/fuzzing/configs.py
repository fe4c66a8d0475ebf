"""F2: architectures with something changed in them: a graph and its file, or one error."""

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hypothesis import strategies as st

from qconvert.emit import to_onnx
from qconvert.errors import BadFileError, LimitError, QConvertError
from qconvert.frontend import build_graph
from qconvert.modelfile import DEFAULT_LIMITS, ModelFile, require_listed_layers
from qconvert.modelfile.architecture import parse_architecture
from qconvert.modelfile.contents import ByName, ByPosition
from qconvert.modelfile.layers import layer_tree
from qconvert.modelfile.malformed import BeyondLimitError, MalformedError
from qconvert.modelfile.nesting import assign
from scripts.fuzzing import seeds
from scripts.fuzzing.changes import Changed, changed
from scripts.fuzzing.drawn import Drawn
from scripts.fuzzing.tally import WrongError, outcome_of


@dataclass(frozen=True, slots=True)
class Architecture:
    """A changed architecture, and the model whose weights it has."""

    model: ModelFile
    changed: Changed


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
    data: bytes = to_onnx(build_graph(found)).SerializeToString(deterministic=True)
    return data


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


def attempt(case: Architecture) -> str:
    """Read it twice, the second time in another form, for the same ONNX file."""
    config = case.changed.document()
    try:
        found = read(json.dumps(config).encode(), case.model)
    except QConvertError as error:
        return outcome_of(error)
    if read(json.dumps(config, indent=1, ensure_ascii=False).encode(), case.model) != found:
        raise WrongError("the same architecture gives another file")
    return ""


def target(folder: Path | None) -> Drawn[Architecture]:
    """Of the models of the tests, and of *folder*."""
    return Drawn(
        name="config",
        what="architectures with changes",
        inputs=st.sampled_from(seeds.models(folder)).flatmap(_of),
        attempt=attempt,
        content=lambda case: case.changed.content(),
        suffix=".json",
        seconds=8.0,
    )


def _of(model: ModelFile) -> st.SearchStrategy[Architecture]:
    assert model.stored is not None
    return changed((model.stored.architecture,)).map(partial(Architecture, model))
