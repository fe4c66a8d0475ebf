"""Layers found in a file that says nothing of them, by the values that its tensors have.

The reference computes each layer from the file's own results of the layers before it, with the
radius of rounding around them: a tensor that fits on all probes is the layer's. So the layers
behind a wrong one are found too: they are right about what they are given. Where nothing fits, a
layer may not be in the file by itself (another converter fused it), or it may be wrong there.
That tells what comes behind it: if it fits without, the layer was fused; if it fits behind some
tensor only, this is the layer, and wrong.
"""

import math
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import onnx

from qconvert.checking.ancestry import sources
from qconvert.checking.inputs import Batch
from qconvert.checking.other_files.interface import axes_of
from qconvert.checking.radius import Radius
from qconvert.checking.rounding import expectation, explained
from qconvert.ir import F32, Graph, Layer
from qconvert.ir.graph import in_order
from qconvert.modelfile import Limits
from qconvert.runners.foreign import Correspondence, Place, depending, every_tensor

#: Of the tensors of a wrong layer's size so many are tried, those that are most right first.
_TRIED: Final = 16
#: So far behind a wrong layer is one looked for that is right about it,
_NEAR: Final = 3
#: and so far behind one that is not found one that is right without it.
_FAR: Final = 6
#: A factor is seen through this much of rounding.
_ROUNDED: Final = 2.0**-20


def match(
    graph: Graph, model: onnx.ModelProto, known: Correspondence, probes: Batch, limits: Limits
) -> dict[str, Place]:
    """Where the file has the layers, by name; those that are not found are left out.

    Raises `WitnessError` if the file does not run.
    """
    search = _Search(
        graph,
        model.graph,
        every_tensor(model, known, probes, limits),
        dict(probes),
        known.outputs,
        sources(graph),
        _readers(graph),
        len(next(iter(probes.values()))),
    )
    for layer in in_order(graph):
        search.look_for(layer)
    return search.chosen()


@dataclass(slots=True, eq=False)
class _Search:
    """The tensors that fit each layer so far, and by value the file's own results.

    Those that it does not have are computed from the others, with a radius ``around`` them.
    ``wrong`` are the places of layers that hold something else. A layer computes from its
    ``sources``, and its ``readers`` from it; there are ``size`` samples.
    """

    graph: Graph
    file: onnx.GraphProto
    tensors: Mapping[str, F32]
    own: dict[str, F32]
    outputs: Mapping[str, Place]
    sources: Mapping[str, tuple[str, ...]]
    readers: Mapping[str, list[Layer]]
    size: int
    around: dict[str, Radius] = field(default_factory=dict)
    fits: dict[str, list[Place]] = field(default_factory=dict)
    wrong: dict[str, Place] = field(default_factory=dict)

    def look_for(self, layer: Layer) -> None:
        """Find a layer's tensor, when all layers before it were looked for."""
        expected = self._expected(layer, self.own)
        found = self._fitting(layer, expected, self.tensors.keys())
        place: Place | None
        if found:
            self.fits[layer.name] = found
            place = found[-1]
        else:
            place = self._of_output(layer) or self._by_its_readers(layer, expected)
            if place is not None:
                self.wrong[layer.name] = place
        if layer.value in self.own:
            return
        self.own[layer.value] = expected[0] if place is None else self._held(place)
        if place is None and expected[1].any():
            self.around[layer.value] = expected[1]

    def chosen(self) -> dict[str, Place]:
        """One place a layer: the last that holds it, but that a later layer needs."""
        result: dict[str, Place] = {}
        for name, fitting in self.fits.items():
            later = {p.tensor for r in self.readers[name] for p in self.fits.get(r.name, ())}
            alone = [place for place in fitting if place.tensor not in later]
            result[name] = alone[-1] if alone else fitting[0]
        return {**result, **self.wrong}

    def _expected(self, layer: Layer, own: Mapping[str, F32]) -> tuple[F32, Radius]:
        return expectation(self.graph, layer.value, own, self.around)

    def _fitting(self, layer: Layer, expected: tuple[F32, Radius], among: Set[str]) -> list[Place]:
        """The tensors *among* some that hold what is *expected*, in the file's order.

        None of other ranks if there are some of the same. What is the same for all samples tells
        nothing.
        """
        computed, radius = expected[0], np.broadcast_to(expected[1], expected[0].shape)
        if len(computed) > 1 and np.array_equal(computed[1:], computed[:-1]):
            return []
        found: dict[str, Place] = {}
        for place, stored in self._sized(layer, computed.shape, among):
            # A part first, which tells most of them apart.
            if all(
                explained(stored[part], computed[part], radius[part]).all()
                for part in (np.s_[..., :1], np.s_[...])
            ):
                found.setdefault(place.tensor, place)
        places = list(found.values())
        same = [place for place in places if self.tensors[place.tensor].ndim == computed.ndim]
        return same or places

    def _sized(
        self, layer: Layer, shape: tuple[int, ...], among: Set[str]
    ) -> Iterator[tuple[Place, F32]]:
        """The tensors of as many elements, in each order of axes, with what they then hold."""
        in_keras = self.graph.shapes[layer.value]
        for name, tensor in self.tensors.items():
            if tensor.size != math.prod(shape) or name not in among:
                continue
            for axes in axes_of(shape):
                place = Place(name, in_keras, axes)
                stored = self._held(place)
                if stored.shape == shape:
                    yield place, stored

    def _of_output(self, layer: Layer) -> Place | None:
        places = (self.outputs[x.name] for x in self.graph.outputs if x.value == layer.value)
        return next(places, None)

    def _by_its_readers(self, layer: Layer, expected: tuple[F32, Radius]) -> Place | None:
        """The tensor that is the layer by what is behind it.

        Where that is right without it, the layer has none of its own (another may hold the same
        in another scale), unless one is at most places right.
        """
        among = self._behind_sources(layer)
        without = self._followed(layer, expected[0], among, _FAR)
        among -= {place.tensor for place in without}
        right, others = self._tried(layer, expected, among)
        places = right if without else right + others
        return next((place for place in places[:_TRIED] if self._confirmed(layer, place)), None)

    def _tried(
        self, layer: Layer, expected: tuple[F32, Radius], among: Set[str]
    ) -> tuple[list[Place], list[Place]]:
        """The tensors that are right at most places where there is anything, and the others.

        Without those that hold the layer in another scale: what is linear behind them is right.
        """
        computed, radius = expected
        misfits: list[tuple[int, Place]] = []
        others: list[Place] = []
        for place, stored in self._sized(layer, computed.shape, among):
            count = int(np.count_nonzero(~explained(stored, computed, radius)))
            if count < np.count_nonzero((stored != 0) | (computed != 0)) / 2:
                misfits.append((count, place))
            elif not _rescaled(stored, computed):
                others.append(place)
        return [place for _, place in sorted(misfits, key=lambda each: each[0])], others

    def _confirmed(self, layer: Layer, place: Place) -> bool:
        """Whether the file computes what is behind the layer from this tensor."""
        behind = set(depending(self.file, [place.tensor])) - {place.tensor}
        return bool(self._followed(layer, self._held(place), behind, _NEAR))

    def _followed(self, layer: Layer, value: F32, among: Set[str], reach: int) -> list[Place]:
        """The tensors *among* some of the next layer that has one, if this one has *value*."""
        own = {**self.own, layer.value: value}
        pending = self.readers[layer.name]
        for _ in range(reach):
            for reader in pending:
                if reader.value not in own:
                    found = self._fitting(reader, self._expected(reader, own), among)
                    if found:
                        return found
            pending = [each for reader in pending for each in self.readers[reader.name]]
        return []

    def _behind_sources(self, layer: Layer) -> set[str]:
        """The tensors that depend on those of every layer before this one that was found."""
        behind = set(self.tensors)
        for name in self.sources[layer.name]:
            tensors = [place.tensor for place in self.fits.get(name, ())]
            if name in self.wrong:
                tensors = [self.wrong[name].tensor]
            if tensors:
                behind &= set(depending(self.file, tensors)).difference(tensors)
        return behind

    def _held(self, place: Place) -> F32:
        return place.in_keras(self.tensors[place.tensor], self.size)


def _rescaled(stored: F32, computed: F32) -> bool:
    """Whether all numbers are those *computed* times one factor, as far as float32 can tell."""
    found, wanted = stored.astype(np.float64), computed.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factor = np.sum(found * wanted) / np.sum(wanted * wanted)
        distance = np.abs(found - factor * wanted)
    return factor != 0 and bool(np.all(distance <= _ROUNDED * np.max(np.abs(found))))


def _readers(graph: Graph) -> dict[str, list[Layer]]:
    """For every layer those that compute from it, in order."""
    before = sources(graph)
    layers = in_order(graph)
    return {x.name: [other for other in layers if x.name in before[other.name]] for x in layers}
