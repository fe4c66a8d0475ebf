"""Settings and states of training, which nothing is read of: whatever they are, they end nothing.

Those of a ``.keras`` file stand in the JSON of its architecture, which has to be JSON.
"""

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tests.hostile.building import archive, hdf5, model, parts
from tests.hostile.case import Case, Make

_ELSEWHERE = h5py.ExternalLink("/etc/passwd", "/x")


def settings(value: object) -> Make:
    """In HDF5."""
    return hdf5(change=lambda file: file.attrs.create("training_config", value))


def large(folder: Path) -> Path:
    """An attribute of 300 MB, which only the newer form of HDF5 can have."""
    old, new = hdf5(name="old.h5")(folder), folder / "model.h5"
    with h5py.File(old, "r") as source, h5py.File(new, "w", libver="latest") as file:
        source.copy("model_weights", file)
        file.attrs.update(source.attrs)
        file.attrs.create("training_config", np.zeros(300 << 20, np.uint8))
    old.unlink()
    return new


def states(put: Callable[[h5py.Group], object]) -> Make:
    return hdf5(change=lambda file: put(file.create_group("optimizer_weights")))


def compiled(text: str) -> Make:
    """In an archive."""
    config = json.dumps({**model(), "compile_config": "here"}).replace('"here"', text)
    return archive(list((parts() | {"config.json": config.encode()}).items()))


CASES = (
    Case(79, "settings that are no JSON", settings("{" * 60_000), "", 0),
    Case(79, "settings of 300 MB", large, "", 0),
    Case(79, "a number as settings", settings(np.nan), "", 0),
    Case(79, "a table as settings", settings(np.zeros((3, 3))), "", 0),
    Case(79, "bytes as settings", settings(np.void(b"\0\xff")), "", 0),
    Case(79, "settings that are empty", settings(h5py.Empty("f")), "", 0),
    Case(79, "states in another file", states(lambda group: group.__setitem__("x", _ELSEWHERE)),
         "", 0),
    Case(79, "states in a loop", states(lambda group: group.__setitem__("x", group)), "", 0),
    Case(79, "states of 4 TB",
         states(lambda group: group.create_dataset("x", (1 << 40,), "f4", chunks=(1 << 20,))),
         "", 0),
    Case(79, "states that are a link into another file",
         hdf5(change=lambda file: file.__setitem__("optimizer_weights", _ELSEWHERE)), "", 0),
    Case(79, "compiled by a list", compiled("[1]"), "", 0),
    Case(79, "compiled with NaN", compiled('{"lr": NaN, "clipnorm": 1e999}'), "", 0),
    Case(79, "compiled with a key twice", compiled('{"lr": 1, "lr": 2}'), "", 0),
    Case(79, "compiled with thousands of digits", compiled("9" * 5000), "", 0),
    Case(79, "compiled with half a surrogate", compiled('"\\ud800"'), "", 0),
    Case(79, "compiled with code", compiled('{"class_name": "Lambda", "module": "os"}'), "", 0),
    Case(79, "compiled 200 levels deep", compiled("[" * 200 + "]" * 200), "", 0),
    Case(79, "compiled 200,000 levels deep", compiled("[" * 200_000 + "]" * 200_000),
         "QC204", 4, "config.json is nested too deeply"),
    Case(79, "compiled twice", compiled('1, "compile_config": 2'), "QC207", 4, "'compile_config'"),
)  # fmt: skip
