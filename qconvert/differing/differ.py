"""From two sides to what differs between them."""

from qconvert.differing.conversion import conversion_changes
from qconvert.differing.files import file_changes
from qconvert.differing.models import model_changes
from qconvert.differing.reports import report_changes
from qconvert.differing.results import Differences
from qconvert.differing.sides import FileSide, ModelSide, ReportSide, Side, read_side
from qconvert.emit.metadata import read_metadata
from qconvert.errors import UsageError
from qconvert.opening import Source


def diff(first: Source, second: Source) -> Differences:
    """What changed from *first* to *second*; `UsageError` for two that have nothing in common."""
    return between(read_side(first), read_side(second))


def between(first: Side, second: Side) -> Differences:
    """What differs."""
    match first, second:
        case ModelSide(), ModelSide():
            changes = tuple(model_changes(first.graph, second.graph))
            return Differences(first.about, second.about, changes)
        case FileSide(), FileSide():
            return Differences(
                first.about, second.about, tuple(file_changes(first.model, second.model))
            )
        case ModelSide(), FileSide():
            return _conversion(first, second)
        case FileSide(), ModelSide():
            return _conversion(second, first).turned
        case ReportSide(), ReportSide():
            return Differences(
                first.about, second.about, tuple(report_changes(first.report, second.report))
            )
        case _:
            given = f"{first.about.format.value} and {second.about.format.value}"
            raise UsageError(
                "QC002", f"{given} have nothing in common: reports are compared with reports"
            )


def _conversion(model: ModelSide, file: FileSide) -> Differences:
    metadata = read_metadata(file.model)
    if metadata is None:
        told = "does not tell its layers: qconvert check finds them by value"
        raise UsageError("QC705", f"{file.about.path} {told}")
    found = conversion_changes(model.graph, model.about.sha256, file.model, metadata)
    return Differences(model.about, file.about, tuple(found[0]), tuple(found[1]))
