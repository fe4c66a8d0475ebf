"""Attributes and datasets of HDF5 as text and arrays, checked before they are read."""

import math
from dataclasses import dataclass, field

import h5py
import numpy as np

from qconvert.modelfile.json_strict import MAX_BYTES
from qconvert.modelfile.malformed import MalformedError
from qconvert.modelfile.model import Array

_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3
_FILTERS = frozenset({_DEFLATE, _SHUFFLE, _FLETCHER32})
_FLOAT_SIZES = (2, 4, 8)
_MAX_TOTAL = 4 << 30
#: A dataset may be this large whatever the file stores of it, or this many times as large.
_SMALL, _MAX_RATIO = 16 << 20, 20


@dataclass(slots=True, eq=False)
class Budget:
    """What has been read of a file, so that a small file cannot stand for a lot of memory."""

    total: int = 0
    seen: set[h5py.Dataset] = field(default_factory=set)

    def spend(self, dataset: h5py.Dataset) -> None:
        """Account for *dataset*; `MalformedError` if it is read again or is too much."""
        self.total += dataset.size * dataset.dtype.itemsize
        if dataset in self.seen:
            raise MalformedError("QC511", f"{dataset.name!r} is stored under two names")
        if self.total > _MAX_TOTAL:
            raise MalformedError("QC513", f"the weights take more than {_MAX_TOTAL >> 30} GiB")
        self.seen.add(dataset)


def text(owner: h5py.Group, name: str) -> str | None:
    """A text attribute of any of HDF5's string types, or None if there is none."""
    if name not in owner.attrs:
        return None
    values = _strings(owner, name)
    if len(values) != 1:
        raise MalformedError("QC212", f"the attribute {name!r} is not a text")
    return values[0]


def texts(owner: h5py.Group, name: str) -> tuple[str, ...] | None:
    """A list of texts, which Keras cuts into ``name0``, ``name1``... above 64 kB."""
    if name in owner.attrs:
        return _strings(owner, name)
    found: list[str] = []
    chunk = 0
    while f"{name}{chunk}" in owner.attrs:
        found += _strings(owner, f"{name}{chunk}")
        chunk += 1
    return tuple(found) if chunk else None


def _strings(owner: h5py.Group, name: str) -> tuple[str, ...]:
    identity = owner.attrs.get_id(name)
    if identity.shape is None:
        raise MalformedError("QC212", f"the attribute {name!r} is not text")
    if math.prod(identity.shape) * identity.dtype.itemsize > MAX_BYTES:
        raise MalformedError(
            "QC208", f"the attribute {name!r} is larger than {MAX_BYTES >> 20} MiB"
        )
    values = np.asarray(owner.attrs[name]).reshape(-1).tolist()
    return tuple(_string(value, name) for value in values)


def _string(value: object, name: str) -> str:
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")  # h5py's way to hand on bad UTF-8
    if not isinstance(value, bytes):
        raise MalformedError("QC212", f"the attribute {name!r} is not text")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError("QC209", f"the attribute {name!r} is not UTF-8") from None


def array(dataset: object, budget: Budget) -> Array:
    """The values of a dataset of native floats or integers, all finite."""
    if not isinstance(dataset, h5py.Dataset):
        raise MalformedError(
            "QC514", "something other than a dataset lies where a weight should be"
        )
    _require_own_storage(dataset)
    _require_type(dataset)
    _require_plausible_size(dataset)
    budget.spend(dataset)
    value: Array = np.asarray(dataset[()])
    value = value.astype(value.dtype.newbyteorder("="), copy=False)
    if value.dtype.kind == "f":
        _require_finite(value, dataset.name)
    return value


def _require_own_storage(dataset: h5py.Dataset) -> None:
    """No bytes from other files, and no decoder but HDF5's own."""
    if dataset.external or dataset.is_virtual:
        raise MalformedError(
            "QC510", f"{dataset.name!r} refers to another file, which was not opened"
        )
    settings = dataset.id.get_create_plist()
    filters = {settings.get_filter(i)[0] for i in range(settings.get_nfilters())}
    if not filters <= _FILTERS:
        raise MalformedError("QC512", f"{dataset.name!r} is packed with a filter other than gzip")


def _require_type(dataset: h5py.Dataset) -> None:
    kind, size = dataset.dtype.kind, dataset.dtype.itemsize
    # Other floats than float32 are their layer's problem, one of perhaps many.
    if kind not in "iu" and not (kind == "f" and size in _FLOAT_SIZES):
        raise MalformedError(
            "QC504", f"{dataset.name!r} holds {dataset.dtype}; weights are float32"
        )


def _require_plausible_size(dataset: h5py.Dataset) -> None:
    if dataset.shape is None:
        raise MalformedError("QC501", f"{dataset.name!r} has no shape")
    declared, stored = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if declared and not stored:
        raise MalformedError("QC512", f"{dataset.name!r} declares {declared} bytes and stores none")
    if declared > max(_SMALL, _MAX_RATIO * stored):
        raise MalformedError(
            "QC512", f"{dataset.name!r} declares {declared} bytes and stores {stored}"
        )


def _require_finite(value: Array, name: str) -> None:
    bad = np.argwhere(~np.isfinite(value))
    if len(bad):
        first = tuple(int(i) for i in bad[0])
        raise MalformedError(
            "QC503", f"{name!r} holds {len(bad)} NaN or infinity, the first at {first}"
        )
