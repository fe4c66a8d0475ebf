"""Arrays to and from the files by which they travel."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .aliases import Array, Config, Json


def arrays_of(path: str | None) -> dict[str, Array]:
    """All arrays of a file; of none if there is no file."""
    import numpy as np

    if path is None:
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def keys_of(path: str, arrays: Mapping[str, Array]) -> Config:
    """Write arrays to an npz file, which appears complete or not at all; return their names."""
    import numpy as np

    part = Path(f"{path}.part")
    # np.savez takes names as keyword arguments: a layer called "file" would break it.
    with zipfile.ZipFile(part, "w", allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
    part.replace(path)
    return {"keys": list(arrays)}


def few(request: Json, results: Iterable[Array]) -> Config:
    """Write *results* by their places, unless they are more than who asks will read."""
    arrays = {str(i): each for i, each in enumerate(results)}
    size = sum(each.nbytes for each in arrays.values())
    return {"refused": size} if size > request["most"] else keys_of(request["outputs"], arrays)
