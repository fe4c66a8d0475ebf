"""The NumPy reference as a witness."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qconvert.errors import WitnessError
from qconvert.exactness import Analysis
from qconvert.ir import F32, Graph
from qconvert.reference import evaluate
from qconvert.runners.certified import exact_in_any_order
from qconvert.runners.traces import NOTHING, Trace


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceRunner:
    """Evaluates a graph operation by operation.

    It has no opinion on opaque layers: it takes their results from *lender*, another witness that
    has run the same inputs, and computes with them from there on. Where *analysis* proves that
    every order of a sum returns the same, it takes a fast one.
    """

    graph: Graph
    lender: Callable[[], Trace] | None = None
    analysis: Analysis | None = None

    def run(self, inputs: Mapping[str, F32], forced: Mapping[str, F32] = NOTHING) -> Trace:
        """The results of all layers, and the outputs that it computes.

        What reads a layer that is *forced* computes with that result instead of the true one.
        """
        opaque = self.graph.opaque
        instead = {x.value: forced[x.name] for x in self.graph.layers if x.name in forced}
        borrowed = self._borrowed() if opaque else {}
        certified = self._certified(inputs, instead)
        values = evaluate(self.graph, inputs, borrowed, instead, certified)
        return Trace(
            {layer.name: values[layer.value] for layer in self.graph.layers},
            {o.name: values[o.value] for o in self.graph.outputs if o.value not in opaque},
            frozenset(layer.name for layer in self.graph.layers if layer.value in opaque),
        )

    def _certified(self, inputs: Mapping[str, F32], instead: Mapping[str, F32]) -> frozenset[str]:
        if self.analysis is None:
            return frozenset()
        return exact_in_any_order(self.graph, self.analysis, inputs, instead)

    def _borrowed(self) -> dict[str, F32]:
        """The values of the opaque layers."""
        if self.lender is None:
            raise WitnessError(
                "QC729", "opaque layers can be computed from TensorFlow's results only"
            )
        found = self.lender().layers
        shapes = self.graph.shapes
        values: dict[str, F32] = {}
        for name in self.graph.opaque:
            if name not in found:
                raise WitnessError(
                    "QC729", f"TensorFlow's result of the opaque layer {name} is missing"
                )
            values[name] = found[name]
            if len(found[name].shape) != len(shapes[name]):
                raise WitnessError(
                    "QC729", f"{name}: TensorFlow's result has shape {found[name].shape}"
                )
        return values
