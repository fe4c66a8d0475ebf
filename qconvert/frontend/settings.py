"""Settings of a process that change what a live model computes, and that no file keeps."""

import sys
from collections.abc import Iterator
from typing import Any, Final

from qconvert.errors import Problem, UnsupportedError

#: What QKeras asks Keras's backend for, and the answers with which it computes as files do.
_USUAL: Final[dict[str, object]] = {
    "image_data_format": "channels_last",
    "epsilon": 1e-7,
    "floatx": "float32",
}
_KERASES: Final = ("keras", "tf_keras")


def require_usual_settings(model: object) -> None:
    """Raise `UnsupportedError` for settings under which *model* computes otherwise than its file.

    Nothing is imported: what is not loaded has not been set.
    """
    problems = [Problem("QC341", "", f"{text}, which no file keeps") for text in _unusual(model)]
    if problems:
        raise UnsupportedError(problems)


def _unusual(model: object) -> Iterator[str]:
    backend = _backend(model)
    # Keras 3 has none.
    phase = getattr(backend, "learning_phase", int)()
    if isinstance(phase, int) and phase:
        yield f"the global learning_phase is {phase}: layers compute as in training"
    quantizers: Any = sys.modules.get("qkeras.quantizers")
    if quantizers is None:
        return
    if quantizers._sigmoid is not quantizers.hard_sigmoid:
        name = getattr(quantizers._sigmoid, "__name__", "another")
        yield f"qkeras.set_internal_sigmoid has made {name} the sigmoid of all quantizers"
    for name, usual in _USUAL.items():
        found = getattr(backend, name)()
        if found != usual:
            yield f"the global {name} is {found!r}, not {usual!r}: quantizers compute with it"


def _backend(model: object) -> Any:  # noqa: ANN401 - the module of any Keras
    """``backend`` of the Keras whose class *model* is or extends."""
    roots = (kind.__module__.partition(".")[0] for kind in type(model).__mro__)
    root = next((root for root in roots if root in _KERASES), "")
    return getattr(sys.modules.get(root), "backend", None)
