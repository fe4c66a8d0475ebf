"""Which sums of one batch are exact in every order, so that the reference may choose a fast one.

Certificates hold for what the analysis has followed. A batch may have other numbers: a user's
inputs beyond the domain, results that a layer is forced to, what a quantizer returns beyond 2**24
of its steps. Behind these nothing is taken for certified, up to the next value of which nothing
is assumed.
"""

import math
from collections.abc import Mapping, Sequence, Set

import numpy as np

from qconvert.exactness import (
    LARGEST_EXACT,
    Analysis,
    Argument,
    Certificate,
    Free,
    Reach,
    contains,
)
from qconvert.ir import F32, Graph, Node
from qconvert.ir.ops import Quantize
from qconvert.reference import is_faster


def exact_in_any_order(
    graph: Graph, analysis: Analysis, inputs: Mapping[str, F32], instead: Mapping[str, F32]
) -> frozenset[str]:
    """The convolutions that return the same in every order of their sums, by theorem 1.

    They compute from *inputs*, or from the forced results that are *instead* of others.
    """
    given = {**inputs, **instead}
    sums = [node for node in graph.nodes if is_faster(node.op) and _is_exact(node, analysis)]
    within = _within(graph, analysis, given, sums)
    return frozenset(node.name for node in sums if within >= set(node.inputs))


def _is_exact(node: Node, analysis: Analysis) -> bool:
    found = analysis.certificates[node.name]
    return isinstance(found, Certificate) and found.argument is Argument.EXACT


def _within(
    graph: Graph, analysis: Analysis, given: Mapping[str, F32], sums: Sequence[Node]
) -> set[str]:
    """The values before *sums* that cannot be outside of their reach, as they are read."""
    needed = _needed(graph, analysis, given, sums)
    largest = _largest_free(analysis, given)
    found = {name for name in given if name in needed}
    found = {name for name in found if contains(analysis.values[name], given[name])}
    for node in graph.nodes:
        computed = node.name in needed and node.name not in given
        if computed and _stays_within(node, analysis, found, largest):
            found.add(node.name)
    return found


def _needed(
    graph: Graph, analysis: Analysis, given: Mapping[str, F32], sums: Sequence[Node]
) -> set[str]:
    """What *sums* are computed from, back to what is given and to what can be anything."""
    needed = {name for node in sums for name in node.inputs}
    for node in reversed(graph.nodes):
        computed = node.name in needed and node.name not in given
        if computed and analysis.values[node.name] is not None:
            needed.update(node.inputs)
    return needed


def _stays_within(node: Node, analysis: Analysis, within: Set[str], largest: float) -> bool:
    """Whether the result is within its reach, where what is read was *within* its own.

    Of what is fed without a domain, theorem 4 assumes that it is not beyond 2**24 steps.
    """
    values = analysis.values[node.name]
    if values is None:
        return True
    if not isinstance(analysis.certificates[node.name], Certificate):
        return False
    if not within >= set(node.inputs):
        return False
    free = any(isinstance(analysis.values[name], Free) for name in node.inputs)
    if free and isinstance(node.op, Quantize) and isinstance(values, Reach):
        return largest <= math.ldexp(LARGEST_EXACT, int(values.exp.min()))
    return True


def _largest_free(analysis: Analysis, given: Mapping[str, F32]) -> float:
    """The largest magnitude that is fed without a domain."""
    free = (x for name, x in given.items() if isinstance(analysis.values[name], Free))
    return max((float(np.max(abs(x), initial=0)) for x in free), default=0.0)
