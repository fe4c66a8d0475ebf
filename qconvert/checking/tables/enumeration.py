"""Proofs by tables: quantizers whose codes no rounding before them can change.

Where all states of a cone keep away from the quantizer's boundaries, every correct program
returns the same codes. The few states that do not are tried in all runtimes, at several places
of a tensor and in batches of different sizes; so are those on both sides of every boundary.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from qconvert.checking.audit import Evidence
from qconvert.checking.forcing import Trial, shapes_in
from qconvert.checking.grounds import Bound, State
from qconvert.checking.inputs import Batch
from qconvert.checking.judge import REQUIRED
from qconvert.checking.tables.cones import Cone, announced, cones
from qconvert.checking.tables.margins import margins
from qconvert.checking.tables.states import Margins, States
from qconvert.checking.tables.trials import Tried, groups, to_be_tried, trials_of
from qconvert.checking.witness import Witness
from qconvert.exactness import Analysis, Argument, Certificate, Doubt, Reach
from qconvert.ir import Graph

THIS_MACHINE: Final = "these builds of the runtimes, on processors that compute like this one"


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """By value: the certificate or the doubt of its operation, and what bounds a doubtful one."""

    certificates: Mapping[str, Certificate | Doubt] = field(default_factory=dict)
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)


def tabulate(
    graph: Graph,
    analysis: Analysis,
    probe: Batch,
    forcible: Set[str],
    run: Callable[[Iterator[Trial]], Evidence],
    fused: Set[str] = frozenset(),
    told: Callable[[int, int], None] = lambda done, count: None,
) -> Tables:
    """Tables of all cones; *run* tries trials that force layers of *forcible* in all runtimes.

    ONNX Runtime has no results of *fused* layers. What its file makes of all their states is
    compared with the reference elsewhere; tried is whether TensorFlow's are those, too. *told*
    hears which of how many cones is tabulated.
    """
    if any(layer.frozen for layer in graph.layers):
        # TensorFlow computes the scale from the floats in front of it: these are seen.
        return Tables(analysis.certificates)
    all_ = announced(list(cones(graph, analysis)), told)
    counted = [(cone, margins(cone)) for cone in all_]
    # Where a part of what a quantizer rounds is unknown, the others prove nothing.
    unknown = {cone.end.name for cone, known in counted if known is None}
    found = [(c, m) for c, m in counted if m is not None and c.end.name not in unknown]
    shapes = shapes_in(graph, probe)
    evidence = Evidence()
    alike: set[str] = set()
    for group in groups(shapes, to_be_tried(graph, found, shapes, forcible, fused)):
        seen = run(trials_of(group, graph.owners, shapes, probe))
        evidence = evidence.merge(seen)
        alike |= {x.tried.cone.end.name for x in group if _agrees(seen, x.tried)}
    parts = _by_end(found)
    certificates = {
        end: _together([_certificate(c, known, alike, analysis) for c, known in each])
        for end, each in parts.items()
    }
    proven = [c for c, _ in found if isinstance(certificates[c.end.name], Certificate)]
    known = {**analysis.certificates, **_stronger(certificates, analysis.certificates)}
    inner = _inner(graph, proven, known, analysis)
    bounds = {end: _bound(each) for end, each in parts.items()}
    return Tables({**known, **inner}, bounds, evidence)


def _stronger(
    found: Mapping[str, Certificate | Doubt], before: Mapping[str, Certificate | Doubt]
) -> dict[str, Certificate | Doubt]:
    """What tables add: a doubt of theirs about a cone is none about the quantizer alone."""
    return {
        name: one
        for name, one in found.items()
        if isinstance(one, Certificate) or isinstance(before[name], Doubt)
    }


def _agrees(evidence: Evidence, tried: Tried) -> bool:
    """Whether all witnesses returned the same for the layer."""
    compared = evidence.layers.get(tried.layer.name, {})
    present = {w for pair, found in compared.items() if found.elements for w in pair}
    same = all(not found.differing for found in compared.values())
    needed = set(REQUIRED) - ({Witness.ORT} if tried.fused else set())
    return same and present >= needed and not evidence.failures


def _certificate(
    cone: Cone, known: Margins, alike: Set[str], analysis: Analysis
) -> Certificate | Doubt:
    near = len(known.doubtful)
    assumptions = _assumed(cone, analysis)
    if not near:
        return Certificate(Argument.TABULATED, assumptions=assumptions, states=known.total)
    if cone.end.name in alike:
        assumed = tuple(dict.fromkeys((*assumptions, THIS_MACHINE)))
        return Certificate(Argument.TRIED, assumptions=assumed, states=known.total, near=near)
    return Doubt(f"{near} of {known.total} states are next to a boundary of the quantizer")


def _by_end(
    found: Sequence[tuple[Cone, Margins]],
) -> dict[str, list[tuple[Cone, Margins]]]:
    """All that is found of each quantizer, by its name."""
    parts: dict[str, list[tuple[Cone, Margins]]] = {}
    for cone, known in found:
        parts.setdefault(cone.end.name, []).append((cone, known))
    return parts


def _together(parts: Sequence[Certificate | Doubt]) -> Certificate | Doubt:
    """That of a quantizer from those of the parts that it rounds."""
    for doubt in parts:
        if isinstance(doubt, Doubt):
            return doubt
    certain = [part for part in parts if isinstance(part, Certificate)]
    assumptions = dict.fromkeys(text for part in certain for text in part.assumptions)
    states = sum(part.states for part in certain)
    return replace(certain[0], assumptions=tuple(assumptions), states=states)


def _assumed(cone: Cone, analysis: Analysis) -> tuple[str, ...]:
    """What the numbers of the sources rest on, and quantizers in the cone that were tried alone."""
    found = [text for lattice in cone.sources.values() for text in lattice.assumptions]
    for node in cone.nodes:
        inner = analysis.certificates[node.name]
        if isinstance(inner, Certificate) and inner.numbers:
            found += inner.assumptions
    return tuple(dict.fromkeys(found))


def _bound(parts: Sequence[tuple[Cone, Margins]]) -> Bound:
    near = [(cone, known.doubtful) for cone, known in parts if len(known.doubtful)]
    return Bound(
        largest=max(known.largest for _, known in parts),
        states=sum(known.total for _, known in parts),
        near=sum(len(states) for _, states in near),
        example=_first(*near[0]) if near else None,
    )


def _first(cone: Cone, states: States) -> State:
    channel = int(states.channels[0])
    numbers = (
        (name, float(lattice.at(np.full(len(lattice.lo), states.codes[name][0]))[0][channel]))
        for name, lattice in cone.sources.items()
    )
    return State(channel, tuple(numbers))


def _inner(
    graph: Graph,
    proven: Sequence[Cone],
    known: Mapping[str, Certificate | Doubt],
    analysis: Analysis,
) -> dict[str, Certificate]:
    """Certificates of the values that nothing but proven quantizers can see.

    A source that is certified itself keeps its certificate. Of one that lies on a grid, the table
    begins with its numbers: it says nothing about which of them programs return.
    """
    readers = graph.readers
    ends = {cone.end.name for cone in proven}
    interior = {name for cone in proven for name in cone.names} - ends
    sums = {n for cone in proven for n in cone.sources if isinstance(known.get(n), Doubt)}
    interior |= {name for name in sums if not isinstance(analysis.values[name], Reach)}
    unseen: set[str] = set()
    for node in reversed(graph.nodes):
        seen = [reader.name for reader in readers[node.name]]
        if node.name in interior - graph.returned and all(one in ends | unseen for one in seen):
            unseen.add(node.name)
    return {name: Certificate(Argument.CODES) for name in unseen}
