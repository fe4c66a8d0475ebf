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
import numpy.typing as npt

from qconvert.amounts import amount
from qconvert.checking.arrays import AnyArray, InMemory, Rows, open_arrays
from qconvert.checking.declared import described
from qconvert.checking.domain import Domain, domain_of, random_sample, structured
from qconvert.checking.gaps import with_gaps
from qconvert.errors import LimitError, UsageError, naming_file
from qconvert.ir import F32, Graph, Shape
from qconvert.modelfile import DEFAULT_LIMITS, Limits, name_of
from qconvert.runners.interface import InputDomain, nearest, numbers

Batch: TypeAlias = Mapping[str, F32]
#: A file, one array, or arrays by name of the model's input.
UserInputs: TypeAlias = Path | AnyArray | Mapping[str, AnyArray]
#: What an input can be, and its samples that are not random.
_Plan: TypeAlias = tuple[Domain, tuple[F32, ...]]

_UNDECLARED: Final[Mapping[str, InputDomain]] = MappingProxyType({})
_NOT_FLOAT32: Final = "of type {} has no float32 equal to it; save x.astype('float32') instead"
_LARGEST_BATCH: Final = 64
#: Names in a message, and characters of each.
_NAMES: Final = 8
_CHARACTERS: Final = 60
#: What is read becomes float32.
_BYTES: Final = 4
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
    return Samples(description, total, _seeded_batches(graph, total, seed, domains))


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
    where = name_of(inputs) if isinstance(inputs, Path) else "the given arrays"
    found = f"{amount(total, 'sample')} of {where}"
    if count is not None and total < count:
        found += f", all there are ({count} were asked for)"
    description = "; ".join([found, *map(described, domains, domains.values())])
    return Samples(description, total, batches)


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
    graph: Graph, total: int, seed: int, declared: Mapping[str, InputDomain]
) -> Iterator[Batch]:
    plans = _plans(graph, declared)
    for start, stop in _spans(graph, total):
        yield _seeded_batch(plans, seed, range(start, stop))


def _plans(graph: Graph, declared: Mapping[str, InputDomain]) -> dict[str, _Plan]:
    domains = {x.name: domain_of(graph, x, declared.get(x.name)) for x in graph.inputs}
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
            batch = {n: _float32(n, r.take(stop - start), start) for n, r in rows.items()}
            for name, grid in domains.items():
                x = batch[name]
                _require_all(name, x, _within(x, grid), start, "is not in its domain")
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
        _require_fit(source.name, source.shape, rows[source.name])
        _require_small(source.name, rows[source.name], limits)
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


def _require_fit(name: str, shape: Shape, rows: Rows) -> None:
    fits = len(rows.shape) == len(shape) and all(
        n is None or n == m for n, m in zip(shape[1:], rows.shape[1:], strict=True)
    )
    if not fits:
        expected = ", ".join(["samples", *("any" if n is None else str(n) for n in shape[1:])])
        raise UsageError(
            "QC712", f"input {name!r} has shape {rows.shape}, the model takes ({expected})"
        )
    if 0 in rows.shape[1:]:
        raise UsageError("QC714", f"input {name!r} has shape {rows.shape}: samples of no numbers")
    if rows.dtype.kind not in "fiub":
        raise UsageError("QC713", f"input {name!r} has type {rows.dtype}, the model takes float32")


def _require_small(name: str, rows: Rows, limits: Limits) -> None:
    """A sample is read as a whole, and the model may leave its axes open."""
    size = math.prod(rows.shape[1:]) * max(rows.dtype.itemsize, _BYTES)
    if size > limits.tensor_bytes:
        found = f"input {name!r} has shape {rows.shape}: samples of {size:,} bytes"
        raise LimitError("QC320", f"{found}: {limits.of('tensor_bytes')}")


def _count(rows: Mapping[str, Rows], wanted: int | None) -> int:
    lengths = {name: r.shape[0] for name, r in rows.items()}
    if len(set(lengths.values())) > 1:
        raise UsageError("QC712", f"the inputs have different numbers of samples: {lengths}")
    available = min(lengths.values())
    total = available if wanted is None else min(wanted, available)
    if total < 1:
        raise UsageError("QC714", f"{total} samples check nothing")
    return total


def _float32(name: str, rows: AnyArray, start: int) -> F32:
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(rows.astype(np.float32))
    _require_all(name, rows, np.isfinite(rows), start, "is not finite")
    _require_all(name, rows, np.isfinite(result), start, "is {}, beyond what float32 holds")
    _require_all(name, rows, result == rows, start, _NOT_FLOAT32.format(rows.dtype))
    return result


def _within(x: F32, domain: InputDomain) -> npt.NDArray[np.bool_]:
    within: npt.NDArray[np.bool_] = numbers(domain, nearest(domain, x)) == x
    return within


def _require_all(
    name: str, rows: AnyArray, good: npt.NDArray[np.bool_], start: int, what: str
) -> None:
    """`UsageError` for the first element that is not good: *what* it is, with its value at {}."""
    if good.all():
        return
    place = np.unravel_index(int(np.argmin(good)), good.shape)
    sample, *index = map(int, place)
    where = f"input {name!r}: the element at {[start + sample, *index]}"
    raise UsageError("QC714", f"{where} {what.format(rows[place])}")
