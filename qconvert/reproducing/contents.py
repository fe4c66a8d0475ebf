"""The files of a reproducer."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import onnx

from qconvert.checking.radius import Radius
from qconvert.checking.results import Report
from qconvert.checking.rounding import evaluate_bounded
from qconvert.checking.witness import Witness
from qconvert.emit.metadata import CodesTensor, LayerTensor, OutputTensor, read_metadata
from qconvert.ir import Graph
from qconvert.report.escape import printable
from qconvert.reproducing.collect import Whole
from qconvert.reproducing.isolate import Array
from qconvert.reproducing.reduce import Reduced
from qconvert.reproducing.shrink import nonzeros
from qconvert.reproducing.terms import terms_of
from qconvert.runners.interface import fed
from qconvert.runners.npz import write_npz

_Arrays: TypeAlias = dict[str, Array]

_SCRIPT: Final = Path(__file__).with_name("reproduce.py")
_FILES: Final = """
reproducer.onnx   {what}
inputs.npz        what it takes, by the names of its inputs
values.npz        the same in Keras's layout, expected values, terms, effective weights
reproducer.json   what belongs to what
reproduce.py      runs the file and compares; needs numpy and onnxruntime

python reproduce.py          exits 1 while the file gives other values than expected, else 0
python reproduce.py X.onnx   the same for another file with the same inputs and outputs
"""


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """All files by name, and in a line what they show."""

    files: Mapping[str, bytes]
    summary: str


def of_layer(report: Report, case: Reduced, confirmed: bool | None) -> Contents:
    """A layer by itself, on one sample, of few numbers where they could be reduced.

    *confirmed* tells whether TensorFlow has what is expected for the same numbers, if it was asked.
    """
    layer, isolated = case.isolated.layer, case.isolated
    terms = None
    if case.index is not None and case.by is Witness.NUMPY:
        terms = terms_of(isolated, case.inputs, case.index)
    arrays: _Arrays = {"expected/0": case.expected, "rounding/0": _finite(case.rounding)}
    arrays |= {f"input/{i}": array for i, array in enumerate(case.inputs.values())}
    arrays |= {f"weight/{role}": weight.effective for role, weight in layer.weights.items()}
    arrays |= {} if terms is None else terms.arrays()
    about = {
        "title": printable(f"layer {layer.name} ({layer.class_name}) of {report.model.path}"),
        "by": _by(case, confirmed),
        "inputs": list(map(printable, case.inputs)),
        "results": [_result(layer.name, isolated.tensors, case.index)],
        "then": [] if terms is None else list(terms.then),
    }
    what = "the layer, cut out of the checked file"
    files = _files(about, arrays, isolated.model, isolated.fed(case.inputs))
    return _with_readme(files, report, what, _summary(case), _story(report, case, confirmed))


def of_model(report: Report, graph: Graph, model: onnx.ModelProto, whole: Whole) -> Contents:
    """The whole file and one sample, where no layer could be shown to differ by itself."""
    arrays: _Arrays = {f"input/{i}": array for i, array in enumerate(whole.inputs.values())}
    results: list[Mapping[str, object]] = []
    for number, (name, value, tensors) in enumerate(_outputs(graph, model)):
        ours, radius = evaluate_bounded(graph.nodes, value, whole.inputs, capped=True)
        arrays[f"expected/{number}"] = expected = whole.outputs[name]
        alike = np.broadcast_to(radius, ours.shape) if ours.shape == expected.shape else None
        arrays[f"rounding/{number}"] = np.zeros(expected.shape) if alike is None else _finite(alike)
        results.append(_result(name, tensors, None))
    about = {
        "title": printable(f"model {report.model.path}"),
        "by": whole.by.value,
        "inputs": list(map(printable, whole.inputs)),
        "results": results,
        "then": [],
    }
    first = report.first_difference
    where = "an output differs" if first is None else f"{first.name} differs"
    what = "the whole checked file"
    story = [
        f"{where}: no layer was found that differs when it is run by itself, so this is the whole",
        f"file with sample {whole.sample} of the check. Only outputs of the model are compared.",
    ]
    if not whole.differs:
        story.append("None of them differs: the difference shows in layers alone, or in weights.")
    summary = f"the whole model with sample {whole.sample}; no layer differs by itself"
    metadata = read_metadata(model)
    files = _files(about, arrays, model, fed(metadata.inputs if metadata else (), whole.inputs))
    return _with_readme(files, report, what, summary, story)


def _result(name: str, tensors: LayerTensor, index: tuple[int, ...] | None) -> Mapping[str, object]:
    """Where the script finds a result."""
    codes = None if tensors.codes is None else asdict(tensors.codes)
    return {
        "name": printable(name),
        "tensor": tensors.tensor,
        "codes": codes,
        "perm": tensors.perm,
        "index": index,
    }


def _finite(radius: Radius) -> Radius:
    """What is not bounded is explained by no rounding."""
    return np.where(np.isfinite(radius), radius, 0.0)


def _outputs(graph: Graph, model: onnx.ModelProto) -> Iterator[tuple[str, str, LayerTensor]]:
    """Name, value and tensor of the outputs that the file has."""
    metadata = read_metadata(model)
    known = {o.output: o for o in metadata.outputs} if metadata else {}
    given = {value.name for value in model.graph.output}
    for output in graph.outputs:
        found = known.get(output.name, OutputTensor(output.name, output.name))
        if found.tensor in given:
            yield output.name, output.value, _tensors(found)


def _tensors(output: OutputTensor) -> LayerTensor:
    codes, name = output.codes, output.tensor
    coded = None if codes is None else CodesTensor(name, codes.exp, codes.zero_point)
    return LayerTensor(output.output, "", None if coded else name, None, coded)


def _story(report: Report, case: Reduced, confirmed: bool | None) -> Iterator[str]:
    """What was done to the numbers, and who says what is expected."""
    first, name = report.first_difference, case.isolated.layer.name
    if not _named(report, case):
        where = "an output" if first is None else first.name
        yield f"The check saw {where} differ, and not {name}; by itself it differs, too."
    count, size = nonzeros(case.inputs), sum(array.size for array in case.inputs.values())
    origin = "numbers drawn for this layer" if case.sample is None else f"sample {case.sample}"
    yield f"Inputs: from {origin}, {count} of {size} numbers are not 0."
    if case.by is Witness.NUMPY and case.isolated.alike:
        yield "Numbers that the difference does not need were set to 0."
    elif not case.isolated.alike:
        yield "They were kept: the file computes this layer from others than the model does."
    else:
        yield "They were kept: only TensorFlow knows what is expected of others."
    yield f"Expected: by {_by(case, confirmed)}."
    if confirmed is False:
        yield "TensorFlow, given the same numbers for this layer, computes OTHER values."
    if case.right:
        yield "The ONNX file is RIGHT here: it is the NumPy reference of qconvert that differs."


def _named(report: Report, case: Reduced) -> bool:
    """Whether it is the layer that the report names."""
    first = report.first_difference
    return first is not None and first.name == case.isolated.layer.name


def _by(case: Reduced, confirmed: bool | None) -> str:
    """Who says what is expected."""
    both = f"{case.by.value} and {Witness.TENSORFLOW.value}"
    return both if confirmed else case.by.value


def _summary(case: Reduced) -> str:
    count = nonzeros(case.inputs)
    numbers = "1 number that is not 0" if count == 1 else f"{count} numbers that are not 0"
    inputs = f"inputs with {numbers}" if count else "inputs that are all 0"
    wrong = "; the file is right, the NumPy reference is not" if case.right else ""
    return f"{case.isolated.layer.name} by itself, {inputs}{wrong}"


def _files(
    about: Mapping[str, object],
    values: Mapping[str, Array],
    model: onnx.ModelProto,
    fed: Mapping[str, Array],
) -> dict[str, bytes]:
    return {
        "reproducer.onnx": model.SerializeToString(deterministic=True),
        "inputs.npz": _npz(fed),
        "values.npz": _npz(values),
        "reproducer.json": json.dumps(about, indent=1).encode(),
        "reproduce.py": _SCRIPT.read_bytes(),
    }


def _with_readme(
    files: Mapping[str, bytes], report: Report, what: str, summary: str, story: Iterable[str]
) -> Contents:
    first = report.first_difference
    told = summary if first is None else f"{first.name}: {first.finding.reason}"
    head = [summary, "", f"model  {report.model.path}", f"onnx   {report.onnx.path or 'in memory'}"]
    head += [f"found  {told}", ""]
    text = "\n".join(printable(line) for line in (*head, *story)) + "\n"
    readme = (text + _FILES.format(what=what)).encode()
    return Contents({**files, "README.txt": readme}, summary)


def _npz(arrays: Mapping[str, Array]) -> bytes:
    buffer = io.BytesIO()
    write_npz(buffer, arrays)
    return buffer.getvalue()
