"""What a layer's parser gets, and what it returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from qconvert.frontend.config import Config
from qconvert.frontend.flavour import Flavour
from qconvert.frontend.problems import Blocked, Malformed
from qconvert.frontend.weights import Weights
from qconvert.ir.graph import Graph, Weight
from qconvert.ir.ops import Op
from qconvert.ir.shapes import Shape


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one layer.

    A parser reads ``config``, calls its ``done``, takes the weights, and asks for shapes last:
    so the problems of a layer show even where its input is unknown (a shape is ``None``).
    ``constant`` is a first argument that is no tensor. ``masks`` are the shapes of the masks that
    come with the inputs, which all have the shape of their input but for a last axis of length 1.
    """

    class_name: str
    config: Config
    weights: Weights
    shapes: tuple[Shape | None, ...]
    arguments: Config
    constant: object = None
    masks: tuple[Shape | None, ...] = ()

    @property
    def qkeras(self) -> bool:
        """Whether QKeras's meaning of activation names holds."""
        return self.class_name.startswith(("Q", "FQ"))

    @property
    def flavour(self) -> Flavour:
        """Which Keras and QKeras the model was made with."""
        return self.config.flavour

    @property
    def rank(self) -> int:
        """Number of axes of the input; of no meaning where the input is unknown."""
        first = self.shapes[0] if self.shapes else None
        return 2 if first is None else len(first)

    def shape(self, *ranks: int) -> Shape:
        """The shape of the only input, which has one of *ranks* axes (none given: any)."""
        if len(self.shapes) != 1:
            raise Malformed(f"{self.class_name} takes one input, not {len(self.shapes)}", "QC315")
        (shape,) = self.known_shapes()
        if ranks and len(shape) not in ranks:
            wanted = " or ".join(map(str, ranks))
            raise Malformed(
                f"{self.class_name} takes {wanted} axes, its input has shape {shape}", "QC315"
            )
        return shape

    def known_shapes(self) -> tuple[Shape, ...]:
        """The shapes of all inputs."""
        known = tuple(shape for shape in self.shapes if shape is not None)
        if len(known) < len(self.shapes):
            raise Blocked
        return known


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a call computes.

    ``ops`` is a chain, whose first op takes all inputs, after ``before[i]`` on input ``i``. What
    is no chain, or has several results, is a ``graph``, whose inputs are the call's in order, and
    then the masks of those that have one if it reads them. ``masks`` are the values in it that are
    the masks of results, by their numbers; `frontend.masks` says whose parser tells.
    ``states`` are what the layer keeps from call to call: its last inputs, and its last results
    are the new ones. ``notes`` are those of its `Config`.
    """

    ops: tuple[Op, ...] = ()
    weights: Mapping[str, Weight] = field(default_factory=dict)
    before: tuple[tuple[Op, ...], ...] = ()
    graph: Graph | None = None
    notes: tuple[str, ...] = ()
    masks: Mapping[int, str] = field(default_factory=dict)
    states: tuple[str, ...] = ()


LayerParser: TypeAlias = Callable[[Call], Parsed]


def channels(shape: Shape) -> int:
    """The length of the last axis, which Keras needs to know."""
    if shape[-1] is None:
        raise Malformed(f"the last axis of its input of shape {shape} has no length", "QC318")
    return shape[-1]
