"""How many bits the numbers take that a layer multiplies."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from qconvert.exactness import Analysis, Certificate, Divided, Reach, analyse
from qconvert.exactness.certificate import Argument
from qconvert.exactness.reach import hull
from qconvert.ir import Graph, Node
from qconvert.ir.bits import bits_of
from qconvert.ir.ops import Quantize, Recurrence
from qconvert.weighing.weights import FLOAT_BITS


@dataclass(frozen=True, slots=True, eq=False)
class Widths:
    """Widths of the values of a graph; ``given`` are those of inputs that are known otherwise."""

    graph: Graph
    analysis: Analysis
    given: Mapping[str, int] = field(default_factory=dict)
    _nodes: dict[str, Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._nodes.update((node.name, node) for node in self.graph.nodes)

    def of(self, value: str) -> int:
        """The bits of a quantizer's codes, or of all integers that *value* can be; 32 for floats.

        What is moved or selected from others is as wide as these.
        """
        node = self._nodes.get(value)
        if value in self.given:
            return self.given[value]
        if node is not None and isinstance(node.op, Quantize):
            return bits_of(node.op.quantizer) or FLOAT_BITS
        if node is not None and isinstance(node.op, Recurrence):
            return self.of_body(node).of(node.op.body.outputs[0].value)
        known = self.analysis.values.get(value)
        if isinstance(known, Divided):
            known = known.codes
        if isinstance(known, Reach):
            return min(_bits(known), FLOAT_BITS)
        if node is not None and self._is_moved(value):
            return max(self.of(name) for name in node.inputs)
        return FLOAT_BITS

    def of_body(self, node: Node) -> "Widths":
        """The widths in the body of a loop, whose states are as wide as what they become."""
        assert isinstance(node.op, Recurrence)
        body, count = node.op.body, node.op.sequences
        names = [source.name for source in body.inputs]
        sequences = dict(zip(names, map(self.of, node.inputs[:count]), strict=False))
        alone = Widths(body, analyse(body), sequences)
        states = (alone.of(output.value) for output in body.outputs)
        given = sequences | dict(zip(names[count:], states, strict=True))
        return Widths(body, alone.analysis, given)

    def _is_moved(self, value: str) -> bool:
        found = self.analysis.certificates.get(value)
        return isinstance(found, Certificate) and found.argument is Argument.MOVED


def _bits(reach: Reach) -> int:
    """Of all codes in one step, with a sign if there are negative ones."""
    whole = hull(reach, tuple(range(reach.lo.ndim)))
    lo, hi = int(whole.lo.min(initial=0)), int(whole.hi.max(initial=0))
    return max(hi.bit_length(), 1) if lo >= 0 else max(hi.bit_length(), (-lo - 1).bit_length()) + 1
