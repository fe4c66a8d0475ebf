"""An HDF5 file as Keras writes it, of nothing but what was validated."""

from __future__ import annotations

import io
import math
import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from .refusal import RefusalError

if TYPE_CHECKING:
    from typing import TypeAlias

    Json: TypeAlias = Any
    Array: TypeAlias = Any

#: Above this, Keras cuts a list of names into several attributes.
MOST_BYTES = 64512
OWN_WEIGHTS = "top_level_model_weights"


def write_hdf5(request: Json, descriptor: int) -> None:
    """Write ``output`` with texts, groups and variables; the arrays lie behind *descriptor*."""
    image = io.BytesIO()  # HDF5 crashes where a disk is full
    with h5py.File(image, "w") as file:
        file.attrs.update(request["of_file"])
        weights = file.require_group(request["group"]) if request["group"] else file
        weights.attrs.update(request["of_weights"])
        source = mapped(descriptor)
        for path in request.get("groups", ()):
            weights.require_group("/".join(path))
        for path, place in request.get("by_position", ()):
            weights["/".join(path)] = array(source, place)
        if "by_name" in request:
            write_layers(weights, request["by_name"], source)
    try:
        with Path(request["output"]).open("xb") as output:
            output.write(image.getbuffer())
    except OSError as error:
        raise RefusalError("QC602", f"cannot be written: {error.strerror}") from None


def write_layers(weights: h5py.Group, layers: Json, source: Array) -> None:
    """The variables of layers by name."""
    names = [name for name, _ in layers if name != OWN_WEIGHTS]
    write_names(weights, "layer_names", names)
    for name, variables in layers:
        group = weights.require_group(name)
        write_names(group, "weight_names", [variable for variable, _ in variables])
        for variable, place in variables:
            group[variable] = array(source, place)


def write_names(owner: h5py.Group, attribute: str, names: list[str]) -> None:
    """A list of names, in as many attributes as it needs."""
    encoded = np.array([name.encode() for name in names], dtype="S")
    count = math.ceil(max(encoded.nbytes, 1) / MOST_BYTES)
    if count == 1:
        owner.attrs[attribute] = encoded
        return
    for i, chunk in enumerate(np.array_split(encoded, count)):
        owner.attrs[f"{attribute}{i}"] = chunk


def mapped(descriptor: int) -> Array:
    """The bytes behind a descriptor, of which there may be none."""
    try:
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
    except ValueError:
        return b""


def array(source: Array, place: Json) -> Array:
    """One array in these bytes."""
    shape, dtype = tuple(place["shape"]), np.dtype(place["dtype"])
    if not place["length"]:
        return np.empty(shape, dtype)
    return np.frombuffer(source, dtype, math.prod(shape), place["at"]).reshape(shape)
