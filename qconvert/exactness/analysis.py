"""A whole graph: what every value can be, and which ops are certified."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from qconvert.exactness.certificate import Certificate, Doubt
from qconvert.exactness.movement import joined
from qconvert.exactness.reach import Divided, Free, Ints, Reach, Values, hull, of_grid
from qconvert.exactness.rules import Known, examine
from qconvert.ir import Graph, Grid, Input, Node, Quotients, Shape
from qconvert.ir.ops import Recurrence

#: Steps after which the states of a loop have to have become what they stay.
_ROUNDS = 8

#: A node, what its inputs can be, and what the rules know of it: what is known then.
Settled: TypeAlias = Callable[[Node, tuple[Values, ...], Known], Known]


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """By value of the graph: what it can be, and the certificate of the op that computes it."""

    values: Mapping[str, Values] = field(default_factory=dict)
    certificates: Mapping[str, Certificate | Doubt] = field(default_factory=dict)


def analyse(
    graph: Graph,
    domains: Mapping[str, Grid | Quotients] | None = None,
    settled: Settled | None = None,
) -> Analysis:
    """Follow the values from the inputs, which lie on *domains*; others are any finite floats.

    *settled* may know more than the rules do.
    """
    declared = domains or {}
    values = {x.name: _declared(x, declared.get(x.name)) for x in graph.inputs}
    return _followed(graph, values, settled)


def _declared(source: Input, domain: Grid | Quotients | None) -> Values:
    match domain:
        case Grid():
            return of_grid(domain, len(source.shape))
        case Quotients(lo=lo, hi=hi, divisor=divisor):
            return Divided(of_grid(Grid(lo, hi, 0), len(source.shape)), divisor)
        case None:
            return Free()


def _followed(graph: Graph, values: dict[str, Values], settled: Settled | None = None) -> Analysis:
    certificates: dict[str, Certificate | Doubt] = {}
    shapes = graph.shapes
    for node in graph.nodes:
        known = _step(node, values, shapes)
        if settled is not None:
            known = settled(node, tuple(values[name] for name in node.inputs), known)
        values[node.name], certificates[node.name] = known
    return Analysis(values, certificates)


def _step(node: Node, values: Mapping[str, Values], shapes: Mapping[str, Shape]) -> Known:
    inputs = tuple(values[name] for name in node.inputs)
    if isinstance(node.op, Recurrence):
        return _recurrence(node.op, inputs)
    return examine(node.op, inputs, tuple(shapes[name] for name in node.inputs))


def _recurrence(op: Recurrence, inputs: tuple[Values, ...]) -> Known:
    """The body on all that its states become, until that is no more than they were."""
    names = [source.name for source in op.body.inputs]
    features = [_one_step(x) for x in inputs[: op.sequences]]
    given = inputs[op.sequences :]
    zeros = (of_grid(Grid(0, 0, 0), 2) for _ in names[len(inputs) :])
    states: list[Values] = [*given, *zeros]
    for _ in range(_ROUNDS):
        inside = _followed(op.body, dict(zip(names, [*features, *states], strict=True)))
        after = [inside.values[output.value] for output in op.body.outputs]
        grown = [_either(a, b) for a, b in zip(states, after, strict=True)]
        if all(_within(b, a) for a, b in zip(states, grown, strict=True)):
            return _side_by_side(after, op), _whole(inside)
        states = grown
    return None, Doubt("states that have no known range")


def _one_step(x: Values) -> Values:
    if isinstance(x, Divided):
        codes = _one_step(x.codes)
        assert isinstance(codes, Reach)
        return Divided(codes, x.divisor)
    if not isinstance(x, Reach):
        return x
    flat = hull(x, (1,))
    return Reach(*(np.squeeze(a, axis=1) for a in (flat.lo, flat.hi, flat.exp)))


def _either(a: Values, b: Values) -> Values:
    return joined(a, b) if isinstance(a, Reach) and isinstance(b, Reach) else None


def _within(a: Values, b: Values) -> bool:
    """Whether *b* has all of *a*, which was joined with it."""
    if not (isinstance(a, Reach) and isinstance(b, Reach)):
        return a is None and b is None
    arrays = np.broadcast_arrays(a.lo, a.hi, a.exp, b.lo, b.hi, b.exp)
    lo, hi, exp, other_lo, other_hi, other_exp = arrays
    same = (lo == other_lo) & (hi == other_hi) & (exp == other_exp)
    return bool(np.all(same | ((lo == 0) & (hi == 0) & (other_lo == 0) & (other_hi == 0))))


def _whole(inside: Analysis) -> Certificate | Doubt:
    """The first doubt about the body, or the least headroom, with what any op of it assumes."""
    found = list(inside.certificates.values())
    doubts = [one for one in found if isinstance(one, Doubt)]
    if doubts:
        return doubts[0]
    certificates = [one for one in found if isinstance(one, Certificate)]
    tightest = max(certificates, key=lambda one: -1 if one.bits is None else one.bits)
    assumed = dict.fromkeys(each for one in certificates for each in one.assumptions)
    return replace(tightest, assumptions=tuple(assumed))


def _side_by_side(states: list[Values], op: Recurrence) -> Values:
    """The states after every step, along the last axis behind that of time."""
    reaches = [state for state in states if isinstance(state, Reach)]
    if len(reaches) < len(states):
        return None
    widths = [source.shape[-1] or 1 for source in op.body.inputs[op.sequences :]]
    parts = [
        [np.broadcast_to(a, (1, width))[:, np.newaxis] for a in (r.lo, r.hi, r.exp)]
        for r, width in zip(reaches, widths, strict=True)
    ]
    arrays: list[Ints] = [np.concatenate(each, axis=-1) for each in zip(*parts, strict=True)]
    return Reach(*arrays)
