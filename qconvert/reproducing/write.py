"""Choose what shows the difference of a report, and write it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import onnx

from qconvert.checking.results import Report, Reproducer, Verdict
from qconvert.ir import Graph
from qconvert.output import write_folder
from qconvert.reproducing.collect import Collector
from qconvert.reproducing.contents import Contents, of_layer, of_model
from qconvert.reproducing.reduce import reduced


def write_reproducer(
    report: Report,
    collector: Collector,
    graph: Graph,
    model: onnx.ModelProto,
    folder: Path,
    *,
    force: bool,
    inputs: Iterable[Path] = (),
) -> Report:
    """The report with the reproducer that was written to *folder*; as it was if nothing differs.

    Raises `OutputError`.
    """
    if report.verdict is not Verdict.DIFFERS:
        return report
    contents = _contents(report, collector, graph, model)
    if contents is None:
        return report
    write_folder(folder, contents.files, force=force, inputs=inputs)
    return replace(report, reproducer=Reproducer(str(folder), contents.summary))


def _contents(
    report: Report, collector: Collector, graph: Graph, model: onnx.ModelProto
) -> Contents | None:
    """The first wrong layer by itself, or else the whole; nothing where no sample was run."""
    first, case = report.first_difference, collector.case
    if first is not None and case is not None and case.isolated.layer.name == first.name:
        small = reduced(case)
        if small is not None:
            return of_layer(report, small)
    return None if collector.whole is None else of_model(report, graph, model, collector.whole)
