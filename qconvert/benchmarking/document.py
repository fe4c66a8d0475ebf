"""A benchmark as JSON, as ``schemas/bench.schema.json`` describes it."""

import json
import math
from typing import Final

from qconvert.benchmarking.results import (
    Benchmark,
    Column,
    Operator,
    Setting,
    Spread,
    Timing,
    Unlike,
)
from qconvert.checking.results import CheckedFile
from qconvert.report.document import Json

#: Changes when a reader of the old form would misunderstand the new one.
SCHEMA: Final = "qconvert.bench/1"


def to_json(found: Benchmark) -> str:
    """The benchmark as a JSON document."""
    document = {
        "schema": SCHEMA,
        "file": {**_file(found.file), "bytes": found.bytes},
        "macs": found.macs,
        "against": None if found.against is None else _file(found.against),
        "notes": list(found.notes),
        "rounds": found.rounds,
        "batches": list(found.batches),
        "programs": [_column(each) for each in found.columns],
        "int8_product": [
            {"threads": threads, "macs_per_second": _spread(each)}
            for threads, each in found.peak.items()
        ],
        "operators": [_operator(each) for each in found.operators],
        "environment": dict(found.environment),
    }
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _file(file: CheckedFile) -> dict[str, Json]:
    return {"path": file.path, "sha256": file.sha256}


def _column(column: Column) -> Json:
    return {
        "program": column.program,
        "bytes": column.bytes,
        **_unlike(column.unlike),
        "uncompared": column.uncompared,
        "failure": column.failure,
        "settings": [_setting(each) for each in column.settings],
    }


def _unlike(unlike: Unlike | None) -> dict[str, Json]:
    if unlike is None:
        return {"differing": None, "elements": None, "largest": None}
    return {
        "differing": unlike.differing,
        "elements": unlike.elements,
        "largest": unlike.largest if math.isfinite(unlike.largest) else "inf",
    }


def _setting(setting: Setting) -> Json:
    return {
        "threads": setting.threads,
        "startup_seconds": setting.startup,
        "peak_bytes": setting.peak,
        "failure": setting.failure,
        "timings": [_timing(each) for each in setting.timings],
    }


def _timing(timing: Timing) -> Json:
    return {
        "batch": timing.batch,
        "seconds": _spread(timing.seconds),
        "samples_per_second": timing.batch / timing.seconds.median,
        "ratio": None if timing.ratio is None else _spread(timing.ratio),
        "of_peak": None if timing.of_peak is None else _spread(timing.of_peak),
    }


def _operator(operator: Operator) -> Json:
    return {
        "name": operator.name,
        "type": operator.kind,
        "layers": list(operator.layers),
        "seconds": operator.seconds,
        "integer": operator.integer,
    }


def _spread(spread: Spread) -> Json:
    return {"min": spread.least, "median": spread.median, "max": spread.largest}
