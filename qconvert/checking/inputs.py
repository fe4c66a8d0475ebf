"""Where the samples of a check come from: seeded by the model's domain, or the user's."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np

from qconvert.amounts import MOST_SAMPLES, amount, require_among
from qconvert.checking.arrays import AnyArray, InMemory, Rows, open_arrays
from qconvert.checking.declared import described
from qconvert.checking.domain import Domain, domain_of, random_sample, structured
from qconvert.checking.fitting import (
    as_float32,
    require_computable,
    require_fit,
    require_small,
    require_within,
)
from qconvert.checking.gaps import with_gaps
from qconvert.errors import LimitError, UsageError, naming_file
from qconvert.ir import F32, Graph
from qconvert.modelfile import DEFAULT_LIMITS, Limits, name_of
from qconvert.runners.interface import InputDomain

Batch: TypeAlias = Mapping[str, F32]
#: A file, one array, or arrays by name of the model's input.
UserInputs: TypeAlias = Path | AnyArray | Mapping[str, AnyArray]
#: What an input can be, and its samples that are not random.
_Plan: TypeAlias = tuple[Domain, tuple[F32, ...]]

_UNDECLARED: Final[Mapping[str, InputDomain]] = MappingProxyType({})
_LARGEST_BATCH: Final = 64
#: Names in a message, and characters of each.
_NAMES: Final = 8
_CHARACTERS: Final = 60
#: Elements that all values of a graph may have in one batch: 32 MiB for each witness.
_BATCH_ELEMENTS: Final = 1 << 23
_DEFAULT_SAMPLES: Final = 256
#: Elements to compute in all, where the number of samples is ours to choose.
_DEFAULT_ELEMENTS: Final = 1 << 26


@dataclass(frozen=True, slots=True)
class Samples:
    """A stream of *count* samples in batches by name of the model's input, to be read once."""

    description: str
    count: int
    batches: Iterator[Batch]


def seeded(
    graph: Graph,
    count: int | None = None,
    seed: int = 0,
    domains: Mapping[str, InputDomain] = _UNDECLARED,
) -> Samples:
    """*count* samples chosen by the domain of every input; the same for the same seed."""
    total = _default_count(graph) if count is None else count
    if total < 1:
        raise UsageError("QC714", f"{total} samples check nothing")
    chosen = f"{total} samples chosen by the input domain, seed {seed}"
    description = "; ".join([chosen, *map(described, domains, domains.values())])
    return Samples(description, total, _seeded_batches(graph, _plans(graph, domains), total, seed))


def seeded_sample(
    graph: Graph,
    number: int,
    seed: int = 0,
    domains: Mapping[str, InputDomain] = _UNDECLARED,
) -> Batch:
    """Sample *number* of those that `seeded` chooses, alone."""
    return _seeded_batch(_plans(graph, domains), seed, range(number, number + 1))


def from_user(
    graph: Graph,
    inputs: UserInputs,
    count: int | None = None,
    domains: Mapping[str, InputDomain] = _UNDECLARED,
    limits: Limits = DEFAULT_LIMITS,
) -> Samples:
    """The first *count* samples, or all, of the user's *inputs*, which lie in their *domains*.

    Raises `UsageError` for names, shapes and numbers that do not fit the model, `BadFileError`
    for files that cannot be read, `LimitError` for samples of more bytes than a tensor may have:
    all is read once before anything is computed, which takes long.
    """
    path = inputs if isinstance(inputs, Path) else None
    with naming_file(path, UsageError), naming_file(path, LimitError):
        total, tried = _opened(graph, inputs, count, domains, limits)
        deque(tried, maxlen=0)
    _, batches = _opened(graph, inputs, total, domains, limits)
    found = ""
    if count is not None and total < count:
        found = f", all there are ({count} were asked for)"
    return Samples(_described(inputs, total, found, domains), total, batches)


def user_sample(
    graph: Graph,
    inputs: UserInputs,
    number: int,
    domains: Mapping[str, InputDomain] = _UNDECLARED,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[Batch, str]:
    """Sample *number* of the user's *inputs*, alone and in words; behind it nothing is read."""
    path = inputs if isinstance(inputs, Path) else None
    with naming_file(path, UsageError), naming_file(path, LimitError), ExitStack() as stack:
        rows = _open(graph, inputs, limits, stack)
        available = _available(rows)
        require_among(number, available)
        (last,) = deque(_user_batches(graph, rows, number + 1, domains, stack), maxlen=1)
    words = f"sample {number} of {_described(inputs, available, '', domains)}"
    return {name: array[-1:] for name, array in last.items()}, words


def _described(
    inputs: UserInputs, count: int, more: str, domains: Mapping[str, InputDomain]
) -> str:
    where = name_of(inputs) if isinstance(inputs, Path) else "the given arrays"
    found = f"{amount(count, 'sample')} of {where}{more}"
    return "; ".join([found, *map(described, domains, domains.values())])


def _opened(
    graph: Graph,
    inputs: UserInputs,
    count: int | None,
    domains: Mapping[str, InputDomain],
    limits: Limits,
) -> tuple[int, Iterator[Batch]]:
    """How many samples there are, up to *count*, and these, which are checked as they are read."""
    stack = ExitStack()
    try:
        rows = _open(graph, inputs, limits, stack)
        total = _count(rows, count)
    except BaseException:
        stack.close()
        raise
    return total, _user_batches(graph, rows, total, domains, stack)


def in_one_batch(samples: Samples) -> Samples:
    """The same samples as a single batch, however many they are."""
    batches = list(samples.batches)
    whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    return Samples(f"{samples.description} as one batch", samples.count, iter([whole]))


def _seeded_batches(
    graph: Graph, plans: Mapping[str, _Plan], total: int, seed: int
) -> Iterator[Batch]:
    for start, stop in _spans(graph, total):
        yield _seeded_batch(plans, seed, range(start, stop))


def _plans(graph: Graph, declared: Mapping[str, InputDomain]) -> dict[str, _Plan]:
    domains = {x.name: domain_of(graph, x, declared.get(x.name)) for x in graph.inputs}
    require_computable(graph, {name: domain.shape for name, domain in domains.items()})
    return {name: (domain, tuple(structured(domain))) for name, domain in domains.items()}


def _seeded_batch(plans: Mapping[str, _Plan], seed: int, samples: range) -> Batch:
    return {
        name: np.stack([_sample(*plan, seed, i, k) for k in samples])
        for i, (name, plan) in enumerate(plans.items())
    }


def _sample(domain: Domain, plan: tuple[F32, ...], seed: int, source: int, number: int) -> F32:
    """Structured and random samples in turn, so that a short run has both."""
    turn, odd = divmod(number, 2)
    if odd or turn >= len(plan):
        sample = random_sample(domain, seed, source, number)
    else:
        # Inputs of one model must not all be the same.
        sample = plan[(turn + source) % len(plan)]
    if not domain.gaps:
        return sample
    other = domain.lo if domain.hi in {gap.value for gap in domain.gaps} else domain.hi
    return with_gaps(sample, domain.gaps, other, seed, source, number)


def _user_batches(
    graph: Graph,
    rows: Mapping[str, Rows],
    total: int,
    domains: Mapping[str, InputDomain],
    stack: ExitStack,
) -> Iterator[Batch]:
    with stack:
        for start, stop in _spans(graph, total):
            batch = {n: as_float32(n, r.take(stop - start), start) for n, r in rows.items()}
            for name, domain in domains.items():
                require_within(name, batch[name], domain, start)
            yield batch


def _spans(graph: Graph, total: int) -> Iterator[tuple[int, int]]:
    """Batches of samples: the first has one sample, the others as many as memory allows."""
    size = max(1, min(_LARGEST_BATCH, _BATCH_ELEMENTS // _elements(graph)))
    yield 0, 1
    for start in range(1, total, size):
        yield start, min(total, start + size)


def _default_count(graph: Graph) -> int:
    return max(16, min(_DEFAULT_SAMPLES, _DEFAULT_ELEMENTS // _elements(graph)))


def _elements(graph: Graph) -> int:
    return sum(math.prod(n or 1 for n in shape[1:]) for shape in graph.shapes.values())


def _open(graph: Graph, inputs: UserInputs, limits: Limits, stack: ExitStack) -> dict[str, Rows]:
    names = [source.name for source in graph.inputs]
    rows = _rows(inputs, names[0] if len(names) == 1 else None, stack)
    if set(rows) != set(names):
        raise UsageError(
            "QC711", f"the inputs given are {_listed(rows)}, the model's are {_listed(names)}"
        )
    for source in graph.inputs:
        given = rows[source.name]
        require_fit(source.name, source.shape, given)
        require_small(source.name, given.shape, given.dtype.itemsize, limits)
    require_computable(graph, {name: rows[name].shape[1:] for name in names})
    return {name: rows[name] for name in names}


def _listed(names: Iterable[str]) -> str:
    """Some of the names, which a file of anybody can have many of, and long ones."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _NAMES} more" if ordered[_NAMES:] else ""
    return f"{[name[:_CHARACTERS] for name in ordered[:_NAMES]]}{more}"


def _rows(inputs: UserInputs, only: str | None, stack: ExitStack) -> Mapping[str, Rows]:
    match inputs:
        case Path():
            return open_arrays(inputs, only, stack)
        case Mapping():
            return {name: InMemory(np.asarray(array)) for name, array in inputs.items()}
        case _ if only is None:
            raise UsageError(
                "QC711", "the model has several inputs; give a dictionary of arrays by name"
            )
        case _:
            return {only: InMemory(np.asarray(inputs))}


def _available(rows: Mapping[str, Rows]) -> int:
    lengths = {name: r.shape[0] for name, r in rows.items()}
    if len(set(lengths.values())) > 1:
        raise UsageError("QC712", f"the inputs have different numbers of samples: {lengths}")
    return min(lengths.values())


def _count(rows: Mapping[str, Rows], wanted: int | None) -> int:
    available = _available(rows)
    total = available if wanted is None else min(wanted, available)
    if total < 1:
        raise UsageError("QC714", f"{total} samples check nothing")
    if total > MOST_SAMPLES:
        reason = f"at most {MOST_SAMPLES:,} are read: give fewer"
        raise UsageError("QC003", f"{amount(total, 'sample')}, and {reason}")
    return total
