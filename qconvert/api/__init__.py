"""The functions behind ``qconvert.export`` and its siblings, and behind the command line.

A model is a path (``.h5``, ``.keras``, ``.json`` with weights, or a SavedModel folder) or a live
Keras model. Each command has a module of its own, which is imported when it is first used: to
export needs nothing of what checks.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from qconvert.api.benchmarking import bench
    from qconvert.api.checking import Differing, Failed, Progress, Scanning, Stage, check
    from qconvert.api.differing import diff
    from qconvert.api.explaining import explain
    from qconvert.api.exporting import Exported, export
    from qconvert.api.inspecting import inspect
    from qconvert.api.loading import effective_weights, load, save_weights
    from qconvert.api.stamping import stamp

__all__ = [
    "Differing",
    "Exported",
    "Failed",
    "Progress",
    "Scanning",
    "Stage",
    "bench",
    "check",
    "diff",
    "effective_weights",
    "explain",
    "export",
    "inspect",
    "load",
    "save_weights",
    "stamp",
]

_MODULES: Final = {
    "Differing": "checking",
    "Exported": "exporting",
    "Failed": "checking",
    "Progress": "checking",
    "Scanning": "checking",
    "Stage": "checking",
    "bench": "benchmarking",
    "check": "checking",
    "diff": "differing",
    "effective_weights": "loading",
    "explain": "explaining",
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
