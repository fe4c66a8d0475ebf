"""An ONNX file whose codes are made TensorFlow's before it is checked."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import onnx

from qconvert.checking import Report, assemble, seeded
from qconvert.checking.repair.repair import Repaired, repaired
from qconvert.checking.witness import Panel
from qconvert.ir import Graph
from qconvert.modelfile import Limits, name_of
from qconvert.output import Outputs
from qconvert.runners.interface import InputDomain
from qconvert.runners.tf import TensorFlowRunner

#: Samples that a repair is tried on, besides the states of tables.
_PROBE: Final = 8


def repaired_file(
    graph: Graph,
    model: onnx.ModelProto,
    domains: Mapping[str, InputDomain],
    tensorflow: TensorFlowRunner | str,
    limits: Limits,
) -> Repaired:
    """The *model*, which qconvert wrote, with constants moved, and what is left."""

    def assembled(moved: onnx.ModelProto) -> Panel:
        return assemble(graph, moved, tensorflow, limits=limits)

    probe = next(seeded(graph, _PROBE, 0, domains).batches)
    return repaired(graph, model, assembled, probe, domains)


def with_repair(
    report: Report, found: Repaired, given: onnx.ModelProto, path: Path, outputs: Outputs
) -> Report:
    """The report on a repaired file, which is written if it passes and is not the *given* one."""
    report = replace(report, repair=replace(report.repair, unrepaired=found.unrepaired))
    if found.model == given or not report.passed:
        return report
    outputs.file(path, found.model.SerializeToString(deterministic=True))
    file = replace(report.onnx, path=name_of(path))
    return replace(report, onnx=file, repair=replace(report.repair, path=name_of(path)))
