"""What a report shows besides verdicts: the numbers of every layer, and where witnesses differ."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from qconvert.checking.ancestry import sources
from qconvert.checking.audit import Observation, Observe
from qconvert.checking.distribution import (
    Distribution,
    ErrorMap,
    Tally,
    error_map,
    of_effective,
    of_raw,
    tally_of,
)
from qconvert.checking.results import LayerResult, WeightResult
from qconvert.checking.witness import Witness
from qconvert.ir import Graph, Grid, Layer, Weight, grid_of
from qconvert.ir.bits import activation_quantizer
from qconvert.runners.traces import Trace


class Gatherer:
    """Watches samples go by, in constant memory."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._tallies = {x.name: tally_of(_grid(graph, x)) for x in graph.layers}
        self._differing: dict[str, npt.NDArray[np.int64]] = {}
        self._hashes = {source.name: hashlib.sha256() for source in graph.inputs}

    def __call__(self, seen: Observation) -> None:
        """Count what a batch of samples brings."""
        for name, digest in self._hashes.items():
            digest.update(np.ascontiguousarray(seen.trial.inputs[name]).tobytes())
        truth = next((seen.traces[w] for w in Witness if w in seen.traces), None)
        if truth is None:
            return
        for name, tally in self._tallies.items():
            if name in truth.layers:
                tally.add(truth.layers[name])
        for name, pairs in seen.found.layers.items():
            if any(difference.differing for difference in pairs.values()):
                self._locate(name, truth, seen.traces)

    @property
    def sha256(self) -> str:
        """The hash of all inputs, by their names: the same for the same samples, in any batches."""
        each = (f"{name} {digest.hexdigest()}\n" for name, digest in sorted(self._hashes.items()))
        return hashlib.sha256("".join(each).encode()).hexdigest()

    def layers(self, results: tuple[LayerResult, ...]) -> tuple[LayerResult, ...]:
        """With what was counted of each layer, and what it is computed from."""
        before = sources(self._graph)
        return tuple(
            replace(
                layer,
                sources=before.get(layer.name, ()),
                results=_distribution(self._tallies.get(layer.name)),
                errors=self._errors(layer.name),
            )
            for layer in results
        )

    def _locate(self, name: str, truth: Trace, traces: Mapping[Witness, Trace]) -> None:
        expected = truth.layers.get(name)
        for trace in traces.values():
            found = trace.layers.get(name)
            if expected is None or found is None or found.shape != expected.shape:
                continue
            unequal = (found != expected) & ~(np.isnan(found) & np.isnan(expected))
            if unequal.any():
                counted = self._differing.setdefault(name, np.zeros(found.shape[1:], np.int64))
                counted += np.count_nonzero(unequal, axis=0)

    def _errors(self, name: str) -> ErrorMap | None:
        differing = self._differing.get(name)
        return None if differing is None else error_map(differing)


def with_distributions(graph: Graph, weights: tuple[WeightResult, ...]) -> tuple[WeightResult, ...]:
    """With how the numbers of each weight are distributed, before and after quantization."""
    known = {(x.name, role): w for x in graph.layers for role, w in x.weights.items()}
    return tuple(
        weight
        if (found := known.get((weight.layer, weight.role))) is None
        else _with_distribution(weight, found)
        for weight in weights
    )


class FirstSeen:
    """Tells of each layer that differs beyond rounding, once; not of those that are ignored."""

    def __init__(self, told: Callable[[str], None], ignored: Iterable[str] = ()) -> None:
        self._told = told
        self._names = set(ignored)

    def __call__(self, seen: Observation) -> None:
        """Look for layers that no trial showed to differ before."""
        for name, pairs in seen.found.layers.items():
            if name not in self._names and any(found.beyond for found in pairs.values()):
                self._names.add(name)
                self._told(name)


def all_of(*observers: Observe | None) -> Observe:
    """What tells each of those that listen."""
    listening = [observe for observe in observers if observe is not None]

    def told(seen: Observation) -> None:
        for observe in listening:
            observe(seen)

    return told


def _with_distribution(result: WeightResult, weight: Weight) -> WeightResult:
    grid = None if weight.quantizer is None else grid_of(weight.quantizer)
    raw, effective = of_raw(weight.raw, grid), of_effective(weight.effective, grid)
    return replace(result, raw=raw, effective=effective)


def _distribution(tally: Tally | None) -> Distribution | None:
    found = None if tally is None else tally.distribution()
    return found if found is not None and found.elements else None


def _grid(graph: Graph, layer: Layer) -> Grid | None:
    quantizer = activation_quantizer(graph, layer)
    return None if quantizer is None else grid_of(quantizer)
