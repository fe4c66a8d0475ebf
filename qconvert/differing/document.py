"""Differences as JSON, as ``schemas/diff.schema.json`` describes it."""

import json
import math
from dataclasses import asdict
from typing import Final

from qconvert.differing.results import Change, Compared, Differences, Numbers
from qconvert.report.document import Json

#: Changes when a reader of the old form would misunderstand the new one.
SCHEMA: Final = "qconvert.diff/1"


def to_json(found: Differences) -> str:
    """A JSON document; the same differences give the same text.

    What JSON has no number for is one of the strings ``inf``, ``-inf`` and ``nan``.
    """
    document = {
        "schema": SCHEMA,
        "equal": found.equal,
        "first": _compared(found.first),
        "second": _compared(found.second),
        "changes": [_change(change) for change in found.changes],
        "not_compared": list(found.not_compared),
    }
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _compared(one: Compared) -> Json:
    return {"format": one.format.value, "path": one.path, "sha256": one.sha256}


def _change(change: Change) -> Json:
    return {
        "layer": change.layer,
        "kind": change.kind.value,
        "what": change.what,
        "before": change.before,
        "after": change.after,
        "numbers": None if change.numbers is None else _numbers(change.numbers),
    }


def _numbers(found: Numbers) -> Json:
    return {name: _number(value) for name, value in asdict(found).items()}


def _number(value: Json) -> Json:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
