"""The NumPy reference as a witness."""

from collections.abc import Mapping
from dataclasses import dataclass

from qconvert.ir import F32, Graph
from qconvert.reference import evaluate
from qconvert.runners.traces import Trace


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceRunner:
    """Evaluates a graph operation by operation."""

    graph: Graph

    def run(self, inputs: Mapping[str, F32]) -> Trace:
        """The results of all layers and the outputs."""
        values = evaluate(self.graph, inputs)
        return Trace(
            {layer.name: values[layer.value] for layer in self.graph.layers},
            {output.name: values[output.value] for output in self.graph.outputs},
        )
