"""Values and tensors that make bugs visible, chosen by what a model's inputs are used for."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from qconvert.checking.edges import ALL_CODES, around_grid, grid_around
from qconvert.checking.gaps import Gap, gaps_of
from qconvert.ir import F32, Graph, Input, Node
from qconvert.ir.ops import (
    Concat,
    Merge,
    Pad,
    Quantize,
    Recurrence,
    Reshape,
    Slice,
    Transpose,
    UpSample,
)
from qconvert.ir.quantizers import Quantizer
from qconvert.ir.stock import Embedding, FoldTime, StepMask
from qconvert.runners.interface import InputDomain, nearest, numbers

#: At most so many samples have a single element that is not 0.
_ONE_HOTS: Final = 48
#: What the values are multiples of that feed an input without a quantizer.
UNQUANTIZED_STEP: Final = 2.0**-8
#: An axis of unknown length gets this one.
_UNKNOWN_LENGTH: Final = 32


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """What to feed to one input: special values, and the range that random ones come from."""

    shape: tuple[int, ...]
    special: F32
    lo: float
    hi: float
    step: float
    quantized: bool
    #: Whether nothing but whole numbers from ``lo`` to ``hi`` may be fed: rows of a table.
    rows: bool = False
    #: What the user says that alone may be fed.
    declared: InputDomain | None = None
    #: How steps are made that a mask leaves out.
    gaps: tuple[Gap, ...] = ()

    @property
    def size(self) -> int:
        """Number of elements of one sample."""
        return math.prod(self.shape)


def domain_of(graph: Graph, source: Input, declared: InputDomain | None = None) -> Domain:
    """The domain of the model's input *source*: *declared*, or of quantizers that read it directly.

    Where there is none, all values are multiples of `UNQUANTIZED_STEP`, as a sensor's or an
    image's are: sums of products can then be exact, and a difference is nobody's rounding.
    """
    shape = tuple(_UNKNOWN_LENGTH if n is None else n for n in source.shape[1:])
    gaps = tuple(dict.fromkeys(gaps_of(graph, source.name)))
    if declared is not None:
        return replace(_of_declared(shape, declared), gaps=gaps)
    return replace(_without_gaps(graph, source, shape), gaps=gaps)


def _of_declared(shape: tuple[int, ...], declared: InputDomain) -> Domain:
    count = min(ALL_CODES, declared.hi - declared.lo + 1)
    special = numbers(declared, np.unique(np.rint(np.linspace(declared.lo, declared.hi, count))))
    lo, hi = float(special[0]), float(special[-1])
    return Domain(shape, special, lo, hi, declared.step, quantized=False, declared=declared)


def _without_gaps(graph: Graph, source: Input, shape: tuple[int, ...]) -> Domain:
    tables = list(_tables(graph, source.name))
    if tables:
        return _rows_of(shape, min(tables))
    grids = [(q, grid) for q in _quantizers(graph, source.name) if (grid := grid_around(q))]
    if not grids:
        return Domain(shape, _pixels_and_powers(), -2.0, 2.0, UNQUANTIZED_STEP, quantized=False)
    special = np.unique(np.concatenate([around_grid(q, grid) for q, grid in grids]))
    lo, hi = float(special.min()), float(special.max())
    middle = [abs(float(v)) for _, g in grids for v in (g.lo * g.step, g.hi * g.step)]
    reach = 1.25 * max(middle)
    step = min(grid.step for _, grid in grids)
    return Domain(
        shape, _with_zeros(special), max(lo, -reach), min(hi, reach), step, quantized=True
    )


def _rows_of(shape: tuple[int, ...], count: int) -> Domain:
    numbers = np.unique(np.rint(np.linspace(0, count - 1, min(count, ALL_CODES))))
    special = numbers.astype(np.float32)
    return Domain(shape, special, 0.0, count - 1.0, 1.0, quantized=False, rows=True)


def structured(domain: Domain) -> Iterator[F32]:
    """Samples with a purpose: unique indices, special values everywhere, constants, one-hots."""
    yield from (_allowed(domain, sample) for sample in _structured(domain))


def _allowed(domain: Domain, sample: F32) -> F32:
    if domain.rows:
        return np.remainder(np.rint(abs(sample)), domain.hi + 1)
    if domain.declared is not None:
        return numbers(domain.declared, nearest(domain.declared, sample))
    return sample


def _structured(domain: Domain) -> Iterator[F32]:
    indices = np.arange(domain.size, dtype=np.float32)
    if domain.quantized:
        yield _shaped(domain, indices * np.float32(2.0 ** -max(0, (domain.size - 1).bit_length())))
    yield _shaped(domain, np.remainder(indices, 127) * np.float32(domain.step))
    yield _shaped(domain, np.remainder(indices[::-1], 4093) * np.float32(domain.step))
    rounds = min(32, 4 + -(-domain.special.size // domain.size))
    for i in range(rounds):
        yield _rotated(domain, i)
    for value in (0.0, -0.0, 1.0, domain.lo, domain.hi):
        yield np.full(domain.shape, value, np.float32)
    yield from _one_hots(domain)


def random_sample(domain: Domain, seed: int, source: int, sample: int) -> F32:
    """Random sample number *sample* of input number *source*, the same in whichever batch.

    In turn: special values, multiples of half a step in the range, normally distributed.
    Without a quantizer there is nothing to find between the steps.
    """
    return _allowed(domain, _random(domain, seed, source, sample))


def _random(domain: Domain, seed: int, source: int, sample: int) -> F32:
    generator = np.random.default_rng((seed, source, sample))
    match sample % 3:
        case 0:
            return generator.choice(domain.special, domain.shape)
        case 1:
            spacing = domain.step / 2 if domain.quantized else domain.step
            ends = math.floor(domain.lo / spacing), math.ceil(domain.hi / spacing)
            codes = generator.integers(*ends, domain.shape, endpoint=True)
            return (codes * spacing).astype(np.float32)
        case _:
            normal = generator.standard_normal(domain.shape, np.float32)
            scaled = normal * np.float32(max(abs(domain.lo), domain.hi) / 2)
            step = np.float32(domain.step)
            return scaled if domain.quantized else np.rint(scaled / step) * step


def _shaped(domain: Domain, flat: F32) -> F32:
    return flat.reshape(domain.shape)


def _rotated(domain: Domain, turn: int) -> F32:
    """All special values in order, another one first in each turn."""
    start = turn * domain.size + turn
    return _shaped(domain, domain.special[(start + np.arange(domain.size)) % domain.special.size])


def _one_hots(domain: Domain) -> Iterator[F32]:
    positions = sorted(
        {i * (domain.size - 1) // max(1, min(_ONE_HOTS, domain.size) - 1) for i in range(_ONE_HOTS)}
        & set(range(domain.size))
    )
    for position in positions:
        sample = np.zeros(domain.size, np.float32)
        sample[position] = domain.hi
        yield _shaped(domain, sample)


def _quantizers(graph: Graph, value: str) -> Iterator[Quantizer]:
    """The quantizers that see the elements of *value* unchanged."""
    for node in graph.nodes:
        if value not in node.inputs:
            continue
        match node.op:
            case Quantize(quantizer=quantizer):
                yield quantizer
            case Reshape() | Transpose() | Pad() | Slice() | UpSample() | Concat() | FoldTime():
                yield from _quantizers(graph, node.name)
            case Merge(kind="multiply") if _is_masked(graph, node):
                yield from _quantizers(graph, node.name)
            case Recurrence(body=body):
                read = zip(node.inputs, body.inputs, strict=False)
                yield from (
                    q for name, b in read if name == value for q in _quantizers(body, b.name)
                )
            case _:
                pass


def _is_masked(graph: Graph, node: Node) -> bool:
    """Whether *node* is a tensor times a mask, which leaves its elements as they are, or 0."""
    return any(n.name in node.inputs and isinstance(n.op, StepMask) for n in graph.nodes)


def _tables(graph: Graph, value: str) -> Iterator[int]:
    """How many rows the tables have that are read by the elements of *value* unchanged."""
    for node in graph.nodes:
        if value in node.inputs:
            match node.op:
                case Embedding(table=table):
                    yield len(table)
                case Reshape() | Transpose() | Slice() | UpSample() | FoldTime():
                    yield from _tables(graph, node.name)
                case _:
                    pass


def _pixels_and_powers() -> F32:
    """All steps up to 1, moderately large powers of two, both signs."""
    pixels = np.arange(0, 1 + UNQUANTIZED_STEP, UNQUANTIZED_STEP)
    positive = np.concatenate([pixels, 2.0 ** np.arange(7), [100.0]]).astype(np.float32)
    return _with_zeros(np.unique(np.concatenate([positive, -positive])))


def _with_zeros(values: F32) -> F32:
    return np.concatenate([values[values != 0], np.array([0.0, -0.0], np.float32)])
