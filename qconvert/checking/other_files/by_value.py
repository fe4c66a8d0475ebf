"""The check of a file that qconvert did not write: what was found in it, and what that tells."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Final

import onnx

from qconvert.checking.ancestry import sources
from qconvert.checking.inputs import Samples
from qconvert.checking.other_files.interface import described
from qconvert.checking.other_files.matching import match
from qconvert.checking.results import ByValue, Finding, LayerResult, Verdict
from qconvert.errors import WitnessError
from qconvert.ir import Graph
from qconvert.modelfile import DEFAULT_LIMITS, Limits
from qconvert.runners.foreign import Correspondence, Place

#: Samples of the check on which tensors are told apart.
_PROBES: Final = 32


def found_by_value(
    graph: Graph,
    model: onnx.ModelProto,
    known: Correspondence,
    samples: Samples,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[Correspondence, Samples]:
    """With the layers that the first samples tell, and all the samples."""
    first = list(islice(samples.batches, 2))
    whole = replace(samples, batches=chain(first, samples.batches))
    probes = {name: x[:_PROBES] for name, x in first[-1].items()}
    try:
        return replace(known, layers=match(graph, model, known, probes, limits)), whole
    except WitnessError:
        # If it fails without the tensors as outputs, too, the witness tells of it.
        return known, whole


def in_words(known: Correspondence) -> ByValue:
    """What stands where, for the report."""
    return ByValue(_told(known.inputs), _told(known.outputs), _told(known.layers))


def told_by_value(
    graph: Graph, results: Sequence[LayerResult], found: ByValue
) -> tuple[LayerResult, ...]:
    """The results with what they rest on: a tensor of the file, or none."""
    places = dict(found.layers)
    before = sources(graph)
    return tuple(
        replace(result, finding=_finding(result.name, result.finding, places, before))
        for result in results
    )


def _finding(
    name: str,
    finding: Finding,
    places: Mapping[str, str],
    before: Mapping[str, tuple[str, ...]],
) -> Finding:
    if finding.verdict is Verdict.UNCHECKED and name not in places:
        return replace(finding, reason="no tensor of the file has its values")
    if finding.verdict is Verdict.DIFFERS and name in places:
        unseen = _unseen(name, places, before)
        also = f"; or {', '.join(unseen)} before it, not found in the file" if unseen else ""
        blame = also if not finding.inherited_from else ""
        return replace(finding, reason=f"{finding.reason}; compared with {places[name]}{blame}")
    doubt = f"found by its values alone: {places[name]}" if name in places else ""
    return replace(finding, doubt=doubt)


def _unseen(
    name: str, places: Mapping[str, str], before: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """The layers between *name* and those before it that were found."""
    pending, found = list(before[name]), list[str]()
    while pending:
        source = pending.pop()
        if source not in places and source not in found:
            found.append(source)
            pending += before[source]
    return found[::-1]


def _told(places: Mapping[str, Place]) -> tuple[tuple[str, str], ...]:
    return tuple((name, described(place)) for name, place in places.items())
