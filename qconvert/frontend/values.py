"""What the calls of a model give, and what it is called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from qconvert.frontend.call import Parsed
from qconvert.frontend.problems import Malformed, Unsupported
from qconvert.frontend.topology import Ref
from qconvert.ir.graph import Graph, Input, Output
from qconvert.ir.shapes import Shape


@dataclass(frozen=True, slots=True)
class Value:
    """A result of a call, or an input, and the mask that Keras carries beside it."""

    name: str
    shape: Shape
    mask: "Value | None" = None


#: None where an earlier layer could not be read.
Values: TypeAlias = Sequence[Value | None]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where in the nesting of models a layer lies: of its weights, and of its values."""

    weights: str = ""
    values: str = ""

    @property
    def first(self) -> bool:
        """Whether no model around is called a further time."""
        return self.weights == self.values

    def inside(self, name: str, number: int) -> "Scope":
        """Within a call of a nested model."""
        return Scope(f"{self.weights}{name}/", f"{self.values}{numbered(name, number)}/")


def states_of(path: str, parsed: Parsed, graph: Graph, *, again: bool) -> list[Value]:
    """The states that a layer keeps, as inputs of the model."""
    if parsed.states and again:
        raise Unsupported("stateful=True, and called more than once in the model", code="QC328")
    shapes = graph.shapes
    return [Value(f"{path}/{name}", shapes[name]) for name in parsed.states]


def state(old: Value, new: Value) -> tuple[Input, Output]:
    """The input of a state, and the output that is to be fed to it in the next call."""
    head, _, name = old.name.rpartition("/")
    return Input(old.name, old.shape), Output(f"{head}/new_{name}", new.name)


def result_of(values: Mapping[tuple[str, int], Values], ref: Ref) -> Value | None:
    """What *ref* refers to; None behind a layer that could not be read, or that is none."""
    results = values.get((ref.layer, ref.call), ())
    if ref.tensor < 0:
        return None
    if ref.tensor < len(results):
        return results[ref.tensor]
    if any(result is not None for result in results):
        raise Malformed(f"there is no result {ref.tensor} of {ref.layer!r}", "QC311")
    return None


def result_name(key: str, number: int) -> str:
    """What the results of one call are called, in the trace of TensorFlow too."""
    return f"{key}:{number}" if number else key


def numbered(name: str, number: int) -> str:
    """A layer's name, with the number of a further call."""
    return f"{name}@{number}" if number else name


def unique(names: Sequence[str]) -> list[str]:
    """Keras's output names: a second output of a layer gets ``_1``."""
    result: list[str] = []
    counts: dict[str, int] = {}
    for name in names:
        proposal = name
        while proposal in result:
            counts[name] = counts.get(name, 0) + 1
            proposal = f"{name}_{counts[name]}"
        result.append(proposal)
    return result
