"""JSON of others that is read back, with changes that leave it JSON.

Answers of an isolated reader that lies, metadata of ONNX files, and reports: what
`guided_targets.py` has atheris spoil byte by byte.
"""

import json
from typing import Any, Final

from scripts.fuzzing.changes import Changed, changed
from scripts.fuzzing.drawn import Drawn
from scripts.fuzzing.guided_targets import TARGETS as GUIDED

_WHAT: Final = {
    "answer": "answers of a reader that lies",
    "metadata": "metadata of ONNX files",
    "report": "reports that are read back, and shown",
}


def _target(name: str, what: str) -> Drawn[Any]:
    guided = GUIDED[f"{name}-guided"]
    return Drawn(
        name=name,
        what=what,
        inputs=changed(tuple(json.loads(text) for text in guided.begin())),
        attempt=lambda case: guided.attempt(case.content()),
        content=Changed.content,
        suffix=guided.suffix,
    )


def targets() -> tuple[Drawn[Any], ...]:
    """One of each kind."""
    return tuple(_target(name, what) for name, what in _WHAT.items())
