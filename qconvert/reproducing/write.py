"""Choose what shows the difference of a report, and write it."""

from dataclasses import replace
from pathlib import Path

import onnx

from qconvert.checking.results import Report, Reproducer, Verdict
from qconvert.checking.witness import Runner, Witness
from qconvert.errors import WitnessError
from qconvert.ir import Graph
from qconvert.ir.graph import in_order
from qconvert.output import Outputs
from qconvert.reference import evaluate
from qconvert.reproducing.collect import Case, Collector, Whole
from qconvert.reproducing.contents import Contents, of_layer, of_model
from qconvert.reproducing.isolate import differing
from qconvert.reproducing.reduce import Reduced, reduced


def write_reproducer(
    report: Report,
    collector: Collector,
    graph: Graph,
    model: onnx.ModelProto,
    folder: Path,
    outputs: Outputs,
    tensorflow: Runner | None = None,
) -> Report:
    """The report with the reproducer that *outputs* get for *folder*; as it was if nothing differs.

    *tensorflow*, if it is there, is asked about the numbers that are shown. Raises `OutputError`.
    """
    if report.verdict is not Verdict.DIFFERS:
        return report
    contents = _contents(report, collector, graph, model, tensorflow)
    if contents is None:
        return report
    outputs.folder(folder, contents.files)
    return replace(report, reproducer=Reproducer(str(folder), contents.summary))


def _contents(
    report: Report,
    collector: Collector,
    graph: Graph,
    model: onnx.ModelProto,
    tensorflow: Runner | None,
) -> Contents | None:
    """One layer by itself, or else the whole; nothing where no sample was run."""
    first, whole = report.first_difference, collector.whole
    small = None if first is None else reduced(_cases(collector, first.name))
    if small is None and whole is not None and whole.differs:
        small = _searched(collector, graph, whole)
    if small is None:
        return None if whole is None else of_model(report, graph, model, whole)
    frozen = any(layer.frozen for layer in graph.layers)
    return of_layer(report, small, None if frozen else _confirmed(small, whole, tensorflow))


def _cases(collector: Collector, name: str) -> tuple[Case, ...]:
    """Of the layer *name*, or of the first that differs, if the file has no results of *name*."""
    own = collector.isolated(name) is not None
    return collector.cases_of(name) if own else collector.cases


def _confirmed(small: Reduced, whole: Whole | None, tensorflow: Runner | None) -> bool | None:
    """Whether TensorFlow computes what is expected of the same numbers; ``None`` if not known.

    It is given them as the results of the layers before, in a run of a sample.
    """
    if tensorflow is None or whole is None or small.by is Witness.TENSORFLOW:
        return None
    fed = {name: small.inputs.get(name, array) for name, array in whole.inputs.items()}
    forced = {name: array for name, array in small.inputs.items() if name not in fed}
    try:
        tensorflow.start(fed, forced)
        found = tensorflow.finish().layers.get(small.isolated.layer.name)
    except WitnessError:
        return None
    return None if found is None else not differing(found, small.expected, small.rounding).any()


def _searched(collector: Collector, graph: Graph, whole: Whole) -> Reduced | None:
    """The first layer that differs by itself, where the check saw none of them differ.

    What is looked at in the file may run otherwise: ONNX Runtime fuses less then.
    """
    if graph.opaque:
        return None
    values = evaluate(graph, whole.inputs)
    for layer in in_order(graph):
        isolated = collector.isolated(layer.name)
        if isolated is not None:
            read = {point.name: values[point.value] for point in isolated.points}
            small = reduced([Case(isolated, read, None, whole.sample, drawn=False)])
            if small is not None:
                return small
    return None
