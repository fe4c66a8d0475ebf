"""What a model or an ONNX file consists of."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from qconvert.errors import UsageError, WitnessError, naming_file
from qconvert.ir import Graph
from qconvert.modelfile.magic import is_onnx
from qconvert.opening import (
    AnyPath,
    ReadingOptions,
    Source,
    opened,
    require_no_keras_options,
    source_of,
)
from qconvert.report.summary import Summary, of_graph
from qconvert.shortage import telling_shortages

if TYPE_CHECKING:
    from qconvert.runners.interface import InputDomain


@telling_shortages
def inspect(
    model: AnyPath | object,
    *,
    optimized: bool = False,
    domains: Sequence[str] = (),
    **reading: Unpack[ReadingOptions],
) -> Summary:
    """Layers, quantizers, bits, sums, costs and sizes of a model or of an ``.onnx`` file.

    *domains* such as ``image=uint8/256`` say what inputs of a model can be, which bounds its sums.
    *optimized* also has ONNX Runtime optimize such a file, and tells which layer then runs as
    which kernel, and why not on integers; `WitnessError` if it is missing. The other options are
    those of `load`.
    """
    source = source_of("inspect", model, reading)
    if isinstance(model, (str, os.PathLike)) and is_onnx(Path(model)):
        if domains:
            raise UsageError("QC002", "an ONNX file does not tell its sums: name the model")
        of_keras = {name: value for name, value in reading.items() if name != "limits"}
        require_no_keras_options(model, of_keras)
        return _of_file(source, optimized)
    if optimized:
        raise UsageError("QC002", "only an ONNX file is optimized: export the model first")
    with opened(source) as found:
        return of_graph(found.graph, _domains(found.graph, domains))


def _domains(graph: Graph, texts: Sequence[str]) -> "dict[str, InputDomain]":
    """All of the checker is imported for them, which a summary does without."""
    if not texts:
        return {}
    from qconvert.api.exporting import domains_of

    return domains_of(graph, texts)


def _of_file(source: Source, optimized: bool) -> Summary:
    from qconvert.checking.onnx_file import read_onnx
    from qconvert.report.onnx_summary import of_onnx
    from qconvert.runners.ort import OrtRunner

    path = source.paths[0]
    file, _ = read_onnx(path, source.read_within)
    if not optimized:
        return of_onnx(file, None)
    with naming_file(path, WitnessError):
        made = OrtRunner(file).optimized()
    return of_onnx(file, made)
