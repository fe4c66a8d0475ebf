"""Somebody in the place of TensorFlow, for what it tells besides results."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from qconvert.ir import F32, Graph
from qconvert.runners.tf import Disagreement


@dataclass(frozen=True)
class StandIn:
    """Weights by ``layer/role``; those before they are quantized only where these are *folded*."""

    effective: Mapping[str, F32]
    folded: Mapping[str, F32] = field(default_factory=dict)
    differences: Mapping[str, Disagreement] = field(default_factory=dict)

    def effective_weights(self) -> Mapping[str, F32]:
        return self.effective

    def folded_weights(self) -> Mapping[str, F32]:
        return self.folded

    def predict_differences(self, inputs: Mapping[str, F32]) -> Mapping[str, Disagreement]:
        return self.differences


def stand_in_for(graph: Graph) -> StandIn:
    """With the weights as the graph has them."""
    layers = graph.layers
    return StandIn({f"{x.name}/{r}": w.effective for x in layers for r, w in x.weights.items()})
