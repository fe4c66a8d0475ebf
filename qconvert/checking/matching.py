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

import numpy as np
import onnx

from qconvert.checking.ancestry import in_order, sources
from qconvert.checking.inputs import Batch
from qconvert.checking.interface import axes_of
from qconvert.checking.rounding import expectation, explained
from qconvert.ir import F32, Graph, Layer
from qconvert.runners.foreign import Correspondence, Place, depending, every_tensor

#: Of the tensors of a wrong layer's size so many are tried, the closest first.
_TRIED = 24
#: So far behind a wrong layer is one looked for that is right about it.
_REACH = 3


def match(
    graph: Graph, model: onnx.ModelProto, known: Correspondence, probes: Batch
) -> dict[str, Place]:
    """Where the file has the layers, by name; those that are not found are left out.

    Raises `WitnessError` if the file does not run.
    """
    search = _Search(
        graph,
        model.graph,
        every_tensor(model, known, probes),
        dict(probes),
        known.outputs,
        sources(graph),
        _readers(graph),
        len(next(iter(probes.values()))),
    )
    search.find_right()
    search.find_wrong()
    return search.chosen()


@dataclass(slots=True, eq=False)
class _Search:
    """The tensors that fit each layer so far, and by value the file's own results.

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
    fits: dict[str, list[Place]] = field(default_factory=dict)
    wrong: dict[str, Place] = field(default_factory=dict)

    def find_right(self) -> None:
        """Look for the layers that fit what the file has of those before them."""
        for layer in in_order(self.graph):
            if layer.name not in self.fits and layer.name not in self.wrong:
                found = self._fitting(layer, self.own)
                if found:
                    self.fits[layer.name] = found
                    self._keep(layer, found[-1])

    def find_wrong(self) -> None:
        """Look for the others: outputs, and those behind which something fits only then."""
        outputs = {output.value: self.outputs[output.name] for output in self.graph.outputs}
        for layer in in_order(self.graph):
            if layer.name in self.fits:
                continue
            place = outputs.get(layer.value) or self._by_its_readers(layer)
            if place is not None:
                self.wrong[layer.name] = place
                self._keep(layer, place)
                self.find_right()

    def chosen(self) -> dict[str, Place]:
        """One place a layer: the last that holds it, but that a later layer needs."""
        result: dict[str, Place] = {}
        for name, fitting in self.fits.items():
            later = {p.tensor for r in self.readers[name] for p in self.fits.get(r.name, ())}
            alone = [place for place in fitting if place.tensor not in later]
            result[name] = alone[-1] if alone else fitting[0]
        return {**result, **self.wrong}

    def _fitting(
        self, layer: Layer, own: Mapping[str, F32], among: Set[str] | None = None
    ) -> list[Place]:
        """The tensors that hold what the layer has to be, in the file's order.

        Those *among* some only, and none of other ranks if there are some of the same. A value
        that is the same for all samples tells nothing.
        """
        computed, radius = expectation(self.graph, layer.value, own)
        if len(computed) > 1 and np.array_equal(computed[1:], computed[:-1]):
            return []
        found: dict[str, Place] = {}
        for place, stored in self._sized(layer, computed.shape, among):
            if explained(stored, computed, radius).all():
                found.setdefault(place.tensor, place)
        places = list(found.values())
        same = [place for place in places if self.tensors[place.tensor].ndim == computed.ndim]
        return same or places

    def _sized(
        self, layer: Layer, shape: tuple[int, ...], among: Set[str] | None = None
    ) -> Iterator[tuple[Place, F32]]:
        """The tensors of as many elements, in each order of axes, with what they then hold."""
        for name, tensor in self.tensors.items():
            if tensor.size != math.prod(shape) or (among is not None and name not in among):
                continue
            for axes in axes_of(shape):
                place = Place(name, self.graph.shapes[layer.value], axes)
                stored = self._held(place)
                if stored.shape == shape:
                    yield place, stored

    def _by_its_readers(self, layer: Layer) -> Place | None:
        """The tensor that is the layer by what is behind it.

        Where that is right without it, the layer has none of its own (another may hold the same
        in another scale), unless one is right at most places where there is anything.
        """
        computed, radius = expectation(self.graph, layer.value, self.own)
        taken = {p.tensor for found in self.fits.values() for p in found}
        taken |= {place.tensor for place in self.wrong.values()}
        told = self._told_behind(layer)
        misfits: list[tuple[int, Place]] = []
        for place, stored in self._sized(layer, computed.shape, self._behind_sources(layer)):
            count = int(np.count_nonzero(~explained(stored, computed, radius)))
            most = np.count_nonzero((stored != 0) | (computed != 0)) / 2 if told else math.inf
            if place.tensor not in taken and count < most:
                misfits.append((count, place))
        closest = sorted(misfits, key=lambda each: each[0])[:_TRIED]
        return next((place for _, place in closest if self._confirmed(layer, place)), None)

    def _confirmed(self, layer: Layer, place: Place) -> bool:
        """Whether a layer behind this one is in the file, computed from the tensor there.

        Layers between them may have no tensor of their own.
        """
        own = {**self.own, layer.value: self._held(place)}
        behind = set(depending(self.file, [place.tensor])) - {place.tensor}
        pending = self.readers[layer.name]
        for _ in range(_REACH):
            for reader in pending:
                before = {value: x for value, x in own.items() if value != reader.value}
                if reader.value != layer.value and self._fitting(reader, before, behind):
                    return True
            unseen = (reader for reader in pending if reader.name not in self.fits)
            pending = [x for u in unseen for x in self.readers[u.name] if x.name not in self.fits]
        return False

    def _behind_sources(self, layer: Layer) -> set[str]:
        """The tensors that depend on those of every layer, or input, before this one."""
        found = set(self.tensors)
        for name in self.sources[layer.name]:
            if name in self.fits or name in self.wrong:
                places = self.fits.get(name) or [self.wrong[name]]
                found &= set(depending(self.file, [place.tensor for place in places]))
        return found

    def _told_behind(self, layer: Layer) -> bool:
        """Whether a layer that computes from this one, however far behind, was found without it."""
        pending, seen = list(self.readers[layer.name]), set[str]()
        while pending:
            reader = pending.pop()
            if reader.name in self.fits:
                return True
            if reader.name not in seen:
                seen.add(reader.name)
                pending += self.readers[reader.name]
        return False

    def _keep(self, layer: Layer, place: Place) -> None:
        self.own.setdefault(layer.value, self._held(place))

    def _held(self, place: Place) -> F32:
        return place.in_keras(self.tensors[place.tensor], self.size)


def _readers(graph: Graph) -> dict[str, list[Layer]]:
    """For every layer those that compute from it, in order."""
    before = sources(graph)
    layers = in_order(graph)
    return {x.name: [other for other in layers if x.name in before[other.name]] for x in layers}
