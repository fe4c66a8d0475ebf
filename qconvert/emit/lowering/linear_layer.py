"""What decides in which form a linear layer runs: the layer and what stands around it."""

from dataclasses import dataclass

from qconvert.emit.requantization import Chain
from qconvert.emit.weights import Weight
from qconvert.ir import F32, Node, Shape


@dataclass(frozen=True, slots=True, eq=False)
class LinearLayer:
    """A *node* that multiplies what it reads, whose shape is *given*, by a *weight*.

    *chain* is what begins with it and did not become one kernel, if something does; *factor* what
    alone reads it and multiplies it by channel.
    """

    node: Node
    weight: Weight
    given: Shape
    chain: Chain | None
    factor: F32 | None

    @property
    def is_read_once(self) -> bool:
        """Whether one op alone reads the result."""
        return self.chain is not None or self.factor is not None
