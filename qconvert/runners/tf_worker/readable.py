"""Configurations that QKeras writes and does not read, as it reads them."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .aliases import Config, Json

#: QKeras's plain functions.
FUNCTIONS = {f"{kind}_{name}" for kind in ("binary", "smooth") for name in ("sigmoid", "tanh")}
#: Those whose names Keras 3 has for functions of its own.
SHARED = {"hard_sigmoid", "hard_tanh"}


def made_readable(path: Path, text: str, folder: Path, *, keras3: bool) -> tuple[Path, str]:
    """A model file and its architecture, or a copy in *folder* where QKeras needs another one."""
    functions = FUNCTIONS if keras3 else FUNCTIONS | SHARED
    config = json.loads(text, object_hook=lambda item: as_read(item, functions))
    if config == json.loads(text):
        return path, text
    text = json.dumps(config)
    return with_architecture(path, text, folder), text


def as_read(item: Config, functions: set[str]) -> Json:
    """A function of QKeras's by its name alone, an array of scales as lists, the rest as it is."""
    if item.get("class_name") == "function" and item.get("config") in functions:
        return item["config"]
    alpha = item.get("alpha")
    if isinstance(alpha, dict) and alpha.get("class_name") == "__numpy__":
        return {**item, "alpha": alpha["config"]["value"]}
    return item


def with_architecture(path: Path, text: str, folder: Path) -> Path:
    """A copy of a model file with the architecture in *text*."""
    import h5py

    if zipfile.is_zipfile(path):
        copy = folder / "readable.keras"
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as written:
            for name in archive.namelist():
                own = name == "config.json"
                written.writestr(name, text if own else archive.read(name))
        return copy
    if not h5py.is_hdf5(path):
        # The text alone is the architecture.
        return path
    copy = folder / "readable.h5"
    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        file.attrs["model_config"] = text
    return copy
