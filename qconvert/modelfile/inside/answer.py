"""The reader's results: bytes in a file that the parent maps, and where in it they are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypedDict

from .refusal import RefusalError

if TYPE_CHECKING:
    from typing import TypeAlias

    #: Objects of h5py and arrays of NumPy, which are not imported for types.
    Dataset: TypeAlias = Any


class Place(TypedDict):
    """A text or array: in the model's own ``file``, or in the file of results."""

    own: bool
    at: int
    length: int


class StoredArray(Place):
    """An array, of which the parent knows NumPy's type and the shape."""

    dtype: str
    shape: list[int]


class Results:
    """The file of results, and where in it the HDF5 file lies that is being read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._end = 0
        self.in_results = False

    def append(self, data: memoryview | bytes) -> Place:
        """Write bytes; where they are."""
        at, view = self._end, memoryview(data).cast("B")
        while len(view):
            # Not behind what was written last: HDF5 moves the descriptor when it reads there.
            written = self._written(view)
            self._end += written
            view = view[written:]
        return {"own": False, "at": at, "length": self._end - at}

    def _written(self, data: memoryview) -> int:
        try:
            return os.pwrite(self._descriptor, data, self._end)
        except OSError as error:
            reason = f"what was read cannot be written: {error.strerror}"
            raise RefusalError("QC602", reason) from None

    def where_it_lies(self, at: int, length: int) -> Place:
        """Bytes of the HDF5 file, which need not be copied."""
        return {"own": not self.in_results, "at": at, "length": length}
