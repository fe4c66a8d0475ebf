"""Attributes and datasets of HDF5 as text and arrays, checked before they are read."""

from __future__ import annotations

import math
from bisect import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h5py
import numpy as np

from .chunks import (
    count_of_chunks,
    require_fitting_chunks,
    require_known_filters,
    unpacked,
    whole_chunks,
)
from .refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .answer import Place, Results, StoredArray

FLOAT_SIZES = (2, 4, 8)
#: An array while it is unpacked: its chunks before and after, and itself; and bytes of programs.
COPIES, PROGRAM = 3, 256 << 20


@dataclass(eq=False)
class Budget:
    """What has been read of a file, so that a small file cannot stand for a lot of memory."""

    limits: Mapping[str, int]
    results: Results
    total: int = 0
    consumed: set[h5py.Dataset] = field(default_factory=set)
    pieces: list[tuple[int, int]] = field(default_factory=list)

    def spend(self, dataset: h5py.Dataset) -> None:
        """Account for *dataset*; refuse it if it is read again or is too much."""
        self.total += unpacked(dataset)
        if dataset in self.consumed:
            raise RefusalError("QC511", f"{dataset.name!r} is stored under two names")
        if self.total > self.limits["total_bytes"]:
            raise RefusalError("QC513", "the weights take too many bytes", "total_bytes")
        self.consumed.add(dataset)

    def occupy(self, dataset: h5py.Dataset, start: int, length: int) -> int:
        """*start*, where so many bytes of *dataset* lie; refuse them if they are another's too."""
        end = start + length
        i = bisect(self.pieces, (start, end))
        if any(at < end and start < to for at, to in self.pieces[max(i - 1, 0) : i + 1]):
            raise RefusalError("QC512", f"{dataset.name!r} lies in the bytes of another weight")
        self.pieces.insert(i, (start, end))
        return start


def text(owner: h5py.Group, name: str, budget: Budget) -> bytes | None:
    """A text attribute of any of HDF5's string types, or None if there is none."""
    if name not in owner.attrs:
        return None
    values = strings(owner, name, budget)
    if len(values) != 1:
        raise RefusalError("QC212", f"the attribute {name!r} is not a text")
    return values[0]


def texts(owner: h5py.Group, name: str, budget: Budget) -> list[str] | None:
    """A list of texts, which Keras cuts into ``name0``, ``name1``... above 64 kB."""
    if name in owner.attrs:
        return [value.decode() for value in strings(owner, name, budget)]
    found: list[str] = []
    chunk = 0
    while f"{name}{chunk}" in owner.attrs:
        found += [value.decode() for value in strings(owner, f"{name}{chunk}", budget)]
        chunk += 1
    return found if chunk else None


def strings(owner: h5py.Group, name: str, budget: Budget) -> list[bytes]:
    """The texts in an attribute, which are UTF-8."""
    identity = owner.attrs.get_id(name)
    # Keras writes an empty list as one of no floats.
    if not is_text(identity) and identity.shape != (0,):
        raise RefusalError("QC212", f"the attribute {name!r} is not text")
    if len(identity.shape) > 1:
        raise RefusalError("QC212", f"the attribute {name!r} is a table, not a list of texts")
    if math.prod(identity.shape) * identity.dtype.itemsize > budget.limits["config_bytes"]:
        raise RefusalError("QC208", f"the attribute {name!r} is too large", "config_bytes")
    values = np.asarray(owner.attrs[name]).reshape(-1).tolist()
    return [string(value, name) for value in values]


def is_text(attribute: h5py.h5a.AttrID) -> bool:
    """Whether an attribute has values of one of HDF5's types of strings."""
    return attribute.shape is not None and attribute.get_type().get_class() == h5py.h5t.STRING


def string(value: str | bytes, name: str) -> bytes:
    """One text as UTF-8."""
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")  # h5py's way to hand on bad UTF-8
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        raise RefusalError("QC209", f"the attribute {name!r} is not UTF-8") from None
    return value


def array(dataset: object, budget: Budget) -> StoredArray:
    """Where the values of a dataset of native floats or integers are."""
    if not isinstance(dataset, h5py.Dataset):
        raise RefusalError("QC514", "something other than a dataset lies where a weight should be")
    require_own_storage(dataset)
    require_known_filters(dataset)
    require_type(dataset)
    require_plausible_size(dataset, budget.limits)
    require_complete(dataset)
    budget.spend(dataset)
    length = dataset.size * dataset.dtype.itemsize
    place: Place = {"own": False, "at": 0, "length": 0}
    if is_plain(dataset, length):
        start = budget.occupy(dataset, dataset.id.get_offset(), length)
        place = budget.results.where_it_lies(start, length)
    elif length:
        require_memory(dataset, length, budget.limits)
        for piece in pieces(dataset):
            budget.occupy(dataset, *piece)
        place = budget.results.append(np.ascontiguousarray(dataset[()]).data)
    return {**place, "dtype": dataset.dtype.str, "shape": list(dataset.shape)}


def pieces(dataset: h5py.Dataset) -> Iterator[tuple[int, int]]:
    """Where the bytes of *dataset* lie and how many these are; small ones lie in its header."""
    if dataset.chunks is not None:
        yield from whole_chunks(dataset)
    elif (start := dataset.id.get_offset()) is not None:
        yield start, dataset.id.get_storage_size()


def is_plain(dataset: h5py.Dataset, length: int) -> bool:
    """Whether the bytes in the file are NumPy's, in one piece."""
    return (
        length > 0
        and dataset.id.get_offset() is not None
        and dataset.id.get_storage_size() == length
        and dataset.id.get_type() == h5py.h5t.py_create(dataset.dtype)
    )


def require_memory(dataset: h5py.Dataset, length: int, limits: Mapping[str, int]) -> None:
    """Room to unpack an array; HDF5 says of some shortages that the file is damaged."""
    if COPIES * length + PROGRAM > limits["reader_memory"]:
        raise RefusalError(
            "QC801", f"{dataset.name!r} needs too much memory to be unpacked", "reader_memory"
        )


def require_own_storage(dataset: h5py.Dataset) -> None:
    """No bytes from other files."""
    if dataset.external:
        other = str(dataset.external[0][0])[:200]
        raise RefusalError(
            "QC510", f"{dataset.name!r} refers to another file, which was not opened: {other!r}"
        )
    if dataset.is_virtual:
        raise RefusalError(
            "QC510", f"{dataset.name!r} refers to another file, which was not opened"
        )


def require_type(dataset: h5py.Dataset) -> None:
    """Floats and integers only; other floats than float32 are their layer's problem."""
    kind, size = dataset.dtype.kind, dataset.dtype.itemsize
    if kind not in "iu" and not (kind == "f" and size in FLOAT_SIZES):
        raise RefusalError("QC504", f"{dataset.name!r} holds {dataset.dtype}; weights are float32")


def require_plausible_size(dataset: h5py.Dataset, limits: Mapping[str, int]) -> None:
    """Nothing that unpacks to far more than is stored."""
    if dataset.shape is None:
        raise RefusalError("QC501", f"{dataset.name!r} has no shape")
    require_fitting_chunks(dataset)
    declared, stored = unpacked(dataset), dataset.id.get_storage_size()
    if declared and not stored:
        raise RefusalError("QC512", f"{dataset.name!r} declares {declared} bytes and stores none")
    if declared > max(limits["dataset_bytes"], limits["dataset_ratio"] * stored):
        raise RefusalError(
            "QC512",
            f"{dataset.name!r} declares {declared} bytes and stores {stored}",
            "dataset_ratio",
        )


def require_complete(dataset: h5py.Dataset) -> None:
    """Each element was written: of others HDF5 makes a fill value without a word."""
    if dataset.chunks is None:
        found, expected, what = dataset.id.get_storage_size(), dataset.nbytes, "bytes"
    else:
        found, expected, what = dataset.id.get_num_chunks(), count_of_chunks(dataset), "chunks"
    if found != expected:
        raise RefusalError(
            "QC512", f"{dataset.name!r} stores {found} {what} where its shape has {expected}"
        )
