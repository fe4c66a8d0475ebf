"""The effective weights against QKeras's own, and what rounding explains of a difference."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np

from qconvert.checking.compare import EXPLAINED_BY_NOTHING, Difference, Misfit, compare
from qconvert.checking.radius import FUNCTION_ULPS, gamma
from qconvert.checking.results import Verdict, WeightResult
from qconvert.checking.witness import QKeras, Witness
from qconvert.errors import WitnessError
from qconvert.ir import F32, Folding, Graph, Layer, Node, Quantizer, Weight
from qconvert.ir.graph import first_call
from qconvert.ir.ops import Conv, Dense
from qconvert.numerics import quantize

#: Why folded weights may differ.
FOLDED: Final = "folded weights, by a reciprocal root that depends on the processor"
#: The two sides of a comparison with QKeras itself: TensorFlow's numbers and ours.
_SIDES: Final = (Witness.TENSORFLOW, Witness.NUMPY)
#: The reciprocal root, gamma, the product with a weight, the difference from the mean, the sum.
_FOLD_ROUNDINGS: Final = FUNCTION_ULPS + 4


#: By layer and role.
Weights: TypeAlias = Mapping[tuple[str, str], F32]
_NOTHING: Final[Weights] = MappingProxyType({})
#: Ours and the file's.
_FILE: Final = (Witness.NUMPY, Witness.ORT)


@dataclass(frozen=True, slots=True, eq=False)
class ComparedWeights:
    """The results, and TensorFlow's own of the weights that rounding alone makes others.

    ``rounded`` has kernel and bias by layer, by the roles of `Layer.weights`.
    """

    results: tuple[WeightResult, ...] = ()
    rounded: Mapping[str, Mapping[str, F32]] = field(default_factory=dict)
    failure: str | None = None


def compare_weights(
    graph: Graph, qkeras: QKeras | None, stored: Weights = _NOTHING
) -> ComparedWeights:
    """Compare every element of every weight; without *qkeras* none has a counterpart.

    *stored* has the weights that were found in the ONNX file.
    """
    ours = {
        (layer.name, role): weight
        for layer in graph.layers
        for role, weight in layer.weights.items()
    }
    theirs: Weights = _NOTHING
    folded: Weights = _NOTHING
    failure = None
    try:
        if qkeras:
            theirs = _by_layer(qkeras.effective_weights(), graph)
        if qkeras and any(weight.folding for weight in ours.values()):
            folded = _by_layer(qkeras.folded_weights(), graph)
    except WitnessError as error:
        failure = error.coded
    results = tuple(
        _compared(key, ours.get(key), theirs.get(key), folded.get(key), stored.get(key))
        for key in dict.fromkeys((*ours, *theirs))
    )
    rounded: dict[str, dict[str, F32]] = {}
    for result in results:
        if result.verdict is Verdict.BOUNDED:
            rounded.setdefault(result.layer, {})[result.role] = theirs[result.layer, result.role]
    return ComparedWeights(results, rounded, failure)


def _by_layer(weights: Mapping[str, F32], graph: Graph) -> Weights:
    layers = {layer.name for layer in graph.layers}
    return {_split(name, layers): array for name, array in weights.items()}


def _split(name: str, layers: Set[str]) -> tuple[str, str]:
    """Behind the layer's name, in which there are slashes, as there are in roles."""
    ends = [i for i, letter in enumerate(name) if letter == "/"]
    at = max((end for end in ends if name[:end] in layers), default=ends[-1])
    return name[:at], name[at + 1 :]


def _compared(
    key: tuple[str, str],
    ours: Weight | None,
    theirs: F32 | None,
    folded: F32 | None,
    stored: F32 | None,
) -> WeightResult:
    in_file = _stored(ours, stored)
    if ours is None or theirs is None:
        wrong = in_file is not None and in_file.differing
        verdict = Verdict.DIFFERS if wrong else Verdict.UNCHECKED
        return WeightResult(*key, verdict, Difference(), in_file)
    explained = folded is not None and _explained(ours, theirs, folded)
    misfits: Misfit = dict.fromkeys(_SIDES) if explained else EXPLAINED_BY_NOTHING
    both = dict(zip(_SIDES, (theirs, ours.effective), strict=True))
    difference = compare(_SIDES, both, misfits=misfits)
    return WeightResult(*key, _verdict(difference, in_file), difference, in_file)


def _stored(ours: Weight | None, stored: F32 | None) -> Difference | None:
    if ours is None or stored is None:
        return None
    return compare(_FILE, dict(zip(_FILE, (ours.effective, stored), strict=True)))


def _verdict(difference: Difference, stored: Difference | None) -> Verdict:
    if difference.beyond or (stored is not None and stored.differing):
        return Verdict.DIFFERS
    # All elements were compared, and they do not depend on the input: equal is a proof.
    return Verdict.BOUNDED if difference.differing else Verdict.PROVEN


def _explained(ours: Weight, theirs: F32, folded: F32) -> bool:
    """Whether both sides quantize what they have folded, which is the same but for rounding."""
    if ours.folding is None or not ours.folding.values.shape == folded.shape == theirs.shape:
        return False
    sides = ((ours.folding.values, ours.effective), (folded, theirs))
    follow = (np.array_equal(_quantized(ours.quantizer, x), effective) for x, effective in sides)
    return all(follow) and _within_rounding(ours.folding, folded)


def _quantized(quantizer: Quantizer | None, x: F32) -> F32:
    return x if quantizer is None else quantize(quantizer, x)


def _within_rounding(folding: Folding, folded: F32) -> bool:
    distance = abs(folded.astype(np.float64) - folding.values)
    return bool(np.all(distance <= gamma(_FOLD_ROUNDINGS) * folding.reach.astype(np.float64)))


def with_weights(graph: Graph, weights: Mapping[str, Mapping[str, F32]]) -> Graph:
    """*graph* with other kernels and biases in the calls of folded layers, which are *weights*."""
    layers = {layer.name: layer for layer in graph.layers if layer.name in weights}
    if not layers:
        return graph
    nodes = tuple(_with(node, layers.get(_first_call(node)), weights) for node in graph.nodes)
    return replace(graph, nodes=nodes)


def _first_call(node: Node) -> str:
    """The layer of a node, which has its name and perhaps more behind a colon."""
    return first_call(node.name.partition(":")[0])


def _with(node: Node, layer: Layer | None, weights: Mapping[str, Mapping[str, F32]]) -> Node:
    if layer is None or not isinstance(node.op, Dense | Conv):
        return node
    used = {role: weight.effective for role, weight in layer.weights.items()}
    used |= weights[layer.name]
    (kernel,) = (array for role, array in used.items() if role != "bias")
    op = replace(node.op, kernel=kernel.reshape(node.op.kernel.shape), bias=used["bias"])
    return replace(node, op=op)
