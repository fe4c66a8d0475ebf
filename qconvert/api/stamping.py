"""The verdict of a check in the file that was checked."""

from pathlib import Path

from onnx import ModelProto

from qconvert.api.exporting import Exported
from qconvert.checking import Report
from qconvert.checking.onnx_file import read_onnx
from qconvert.emit.stamp import add_stamp
from qconvert.errors import UsageError
from qconvert.opening import AnyPath
from qconvert.output import write
from qconvert.report.stamping import stamp_of
from qconvert.shortage import telling_shortages


def stamped(exported: Exported, report: Report) -> bytes:
    """The file of a model that was just *exported*, with the verdict of *report*."""
    model = ModelProto()
    model.CopyFrom(exported.model)
    add_stamp(model, stamp_of(report))
    data: bytes = model.SerializeToString(deterministic=True)
    return data


@telling_shortages
def stamp(onnx: AnyPath, report: Report) -> None:
    """Write the verdict of *report* into the metadata of the file *onnx*, which it is about.

    The graph stays as it is. `UsageError` if the report is about another file, `OutputError`.
    """
    path = Path(onnx)
    model, file = read_onnx(path)
    if file.sha256 != report.onnx.sha256:
        raise UsageError("QC706", f"{path} is not the file that was checked")
    add_stamp(model, stamp_of(report))
    write(path, model.SerializeToString(deterministic=True), force=True)
