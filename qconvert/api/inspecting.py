"""What a model or an ONNX file consists of."""

import os
from pathlib import Path
from typing import Unpack

from qconvert.api.loading import load
from qconvert.errors import UsageError
from qconvert.opening import AnyPath, Reading
from qconvert.report.summary import Summary, of_graph, of_onnx


def inspect(
    model: AnyPath | object, *, optimized: bool = False, **reading: Unpack[Reading]
) -> Summary:
    """Layers, quantizers, bits, grids and sizes of a model or of an ``.onnx`` file.

    *optimized* also has ONNX Runtime optimize such a file, and tells which layer then runs as
    which kernel, and why not on integers; `WitnessError` if it is missing. The other options are
    those of `load`.
    """
    if isinstance(model, (str, os.PathLike)) and Path(model).suffix == ".onnx":
        return _of_file(Path(model), optimized)
    if optimized:
        raise UsageError("QC002", "only an ONNX file is optimized: export the model first")
    return of_graph(load(model, **reading))


def _of_file(path: Path, optimized: bool) -> Summary:
    from qconvert.checking.onnx_file import read_onnx
    from qconvert.runners.ort import OrtRunner

    file, _ = read_onnx(path)
    return of_onnx(file, OrtRunner(file).optimized() if optimized else None)
