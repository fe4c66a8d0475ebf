"""What is compared, read: a Keras model, an ONNX file, or a report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import onnx

from qconvert.checking.onnx_file import read_onnx
from qconvert.differing.results import Compared, Format
from qconvert.errors import UsageError
from qconvert.ir import Graph
from qconvert.modelfile import name_of
from qconvert.modelfile.magic import is_onnx
from qconvert.opening import Source, opened
from qconvert.report.document import is_report, read_report, report_at, to_json


@dataclass(frozen=True, slots=True, eq=False)
class ModelSide:
    """A Keras model."""

    about: Compared
    graph: Graph


@dataclass(frozen=True, slots=True, eq=False)
class FileSide:
    """An ONNX file."""

    about: Compared
    model: onnx.ModelProto


@dataclass(frozen=True, slots=True, eq=False)
class ReportSide:
    """A report as JSON."""

    about: Compared
    report: Mapping[str, Any]


Side: TypeAlias = ModelSide | FileSide | ReportSide


def read_side(source: Source) -> Side:
    """ONNX files by name or content, reports by name and schema; others are Keras models."""
    path = None if source.is_live else report_at(source.paths[0])
    if path is not None and is_onnx(path):
        if source.weights is not None:
            raise UsageError(
                "QC002", f"{path} holds its own weights; only a .json takes a weights file"
            )
        model, file = read_onnx(path, source.read_within)
        return FileSide(Compared(Format.FILE, name_of(path), file.sha256), model)
    if path is not None and path.suffix == ".json" and is_report(path):
        return ReportSide(Compared(Format.REPORT, name_of(path), None), _report(path))
    with opened(source) as found:
        named = None if path is None else name_of(path)
        return ModelSide(Compared(Format.MODEL, named, found.digest), found.graph)


def _report(path: Path) -> dict[str, Any]:
    """A whole report of this version as JSON; `BadFileError` if it is anything else."""
    report: dict[str, Any] = json.loads(to_json(read_report(path)))
    return report
