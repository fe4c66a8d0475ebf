"""The functions behind ``qconvert.export`` and its siblings, and behind the command line.

A model is a path (``.h5``, ``.keras``, ``.json`` with weights, or a SavedModel folder) or a live
Keras model. Each command has a module of its own, which is imported when it is first used: to
export needs nothing of what checks.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from qconvert.api.benchmarking import bench
    from qconvert.api.checking import Failed, Progress, Scanning, check
    from qconvert.api.differing import diff
    from qconvert.api.exporting import Exported, export
    from qconvert.api.inspecting import inspect
    from qconvert.api.loading import effective_weights, load, save_weights
    from qconvert.api.stamping import stamp

__all__ = [
    "Exported",
    "Failed",
    "Progress",
    "Scanning",
    "bench",
    "check",
    "diff",
    "effective_weights",
    "export",
    "inspect",
    "load",
    "save_weights",
    "stamp",
]

_MODULES: Final = {
    "Exported": "exporting",
    "Failed": "checking",
    "Progress": "checking",
    "Scanning": "checking",
    "bench": "benchmarking",
    "check": "checking",
    "diff": "differing",
    "effective_weights": "loading",
    "export": "exporting",
    "inspect": "inspecting",
    "load": "loading",
    "save_weights": "loading",
    "stamp": "stamping",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
