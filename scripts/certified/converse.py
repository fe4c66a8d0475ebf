"""Sums that pass 2**24 steps by little, and inputs for which two programs differ.

Not all can: where inputs have both signs, the largest partial sum is a result itself, which is
rounded alike in every order.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import numpy as np

from qconvert.exactness import Doubt, analyse
from qconvert.ir import F32, Grid
from qconvert.ir.ops import Dense
from scripts.certified import orders, runtimes
from scripts.certified.chances import LARGEST, Random, between, chance, one_sided_grid, signed_grid
from scripts.certified.exact import exact
from scripts.certified.inputs import inputs_of
from scripts.certified.layer import MAIN, Small, Source, small
from scripts.certified.linear import largest_sums

#: How many steps the largest partial sum has beyond those that float32 holds.
_MOST_BEYOND: Final = 64


@dataclass(eq=False)
class Differences:
    """For how many layers what was found; parts add up."""

    layers: int = 0
    exhibited: int = 0
    inexact: int = 0
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, other: "Differences") -> None:
        """Count what *other* has counted, too."""
        self.layers += other.layers
        self.exhibited += other.exhibited
        self.inexact += other.inexact
        self.pairs.update(other.pairs)


def differences(seeds: Sequence[int]) -> Differences:
    """Draw the layers of *seeds*, all of which the analysis refuses, and run all programs."""
    layers = [beyond(seed) for seed in seeds]
    inputs = {x.seed: inputs_of(np.random.default_rng((x.seed, 1)), x) for x in layers}
    by_runtime = runtimes.onnx_runtime(layers, inputs)
    found = Differences(len(layers))
    for layer in layers:
        programs = {name: results[layer.seed] for name, results in by_runtime.items()}
        joined = np.concatenate(list(inputs[layer.seed].values()), axis=1)
        _compare(found, layer, joined, programs)
    return found


def beyond(seed: int) -> Small:
    """A layer with a weight on the number 1 that takes the largest sum beyond 2**24 by little."""
    random = np.random.default_rng(seed)
    codes = random.integers(-255, 256, (between(random, 3, 16), 1))
    # Odd, so that there is no larger step.
    codes[0] |= 1
    grid = _grid(random, int(np.abs(codes).sum()))
    fill = LARGEST - int(largest_sums(codes, (grid.lo, grid.hi))[0])
    # Beyond by an odd number: even ones are float32 numbers still.
    last = fill + 2 * between(random, 0, _MOST_BEYOND // 2) + 1
    # Both parts of the last weight are float32 numbers.
    parts = [codes, np.array([[last // 2], [last - last // 2]])]
    sources = [Source((len(codes),), grid), Source((2,), Grid(1, 1, grid.exp))]
    if chance(random):
        parts, sources = parts[::-1], sources[::-1]
    op = Dense(np.concatenate(parts).astype(np.float32), None)
    layer = small(seed, "Dense", sources, op)
    assert isinstance(analyse(layer.graph, layer.domains).certificates[MAIN], Doubt)
    return layer


def _grid(random: Random, gain: int) -> Grid:
    largest = int(2 ** random.uniform(20, 24)) // max(1, gain)
    make = signed_grid if chance(random, 0.2) else one_sided_grid
    return make(random, max(1, largest))


def _compare(found: Differences, layer: Small, x: F32, programs: dict[str, F32]) -> None:
    op = layer.graph.nodes[-1].op
    random = np.random.default_rng((layer.seed, 2))
    programs |= dict(orders.evaluations(random, op, [x], bias_last=False))
    pairs = [
        (a, b)
        for a, b in combinations(sorted(programs), 2)
        if not np.array_equal(programs[a], programs[b])
    ]
    found.pairs.update(pairs)
    found.exhibited += bool(pairs)
    nearest, _ = exact(op, [x])
    found.inexact += any(not np.array_equal(nearest, y) for y in programs.values())
