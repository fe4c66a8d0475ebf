"""A report for those who call `check` from Python: its renderings, also in a notebook."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from qconvert.checking.results import Finding, LayerResult, OutputResult, Report
from qconvert.output import write_folder
from qconvert.report import words
from qconvert.report.document import to_json
from qconvert.report.formats import FORMATS, rendered
from qconvert.report.frame import framed

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, slots=True)
class CheckReport(Report):
    """The report of a check; a notebook shows it as a page."""

    @classmethod
    def of(cls, report: Report) -> "CheckReport":
        """The same report, with what one can do with it."""
        return cls(**{field.name: getattr(report, field.name) for field in fields(report)})

    def __str__(self) -> str:
        return words.summary(self)

    def to_json(self) -> str:
        """The document that ``schemas/report.schema.json`` describes."""
        return to_json(self)

    def render(self, form: str) -> str:
        """The report in one of the formats json, html, junit, sarif and markdown."""
        return FORMATS[form].render(self)

    def save(self, folder: str | Path, *, force: bool = False) -> None:
        """Write it to *folder* in every format.

        `OutputError` if the folder has content while *force* is false.
        """
        write_folder(Path(folder), rendered(self), force=force)

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row a layer and output, with pandas, which has to be installed."""
        import pandas

        results: tuple[LayerResult | OutputResult, ...] = (*self.layers, *self.outputs)
        return pandas.DataFrame([_row(result) for result in results])

    def _repr_html_(self) -> str:
        return framed(self.render("html"), words.summary(self))


def _row(result: LayerResult | OutputResult) -> dict[str, object]:
    layer = result if isinstance(result, LayerResult) else None
    return {
        "name": result.name,
        "class_name": layer.class_name if layer else "(output)",
        "weight_bits": layer.weight_bits if layer else None,
        "activation_bits": layer.activation_bits if layer else None,
        **_of_finding(result.finding),
        "kernels": ", ".join(layer.kernels) if layer else "",
    }


def _of_finding(finding: Finding) -> dict[str, object]:
    worst, farthest = finding.worst, finding.farthest
    return {
        "verdict": finding.verdict.value,
        "method": finding.proof.method.value if finding.proof else None,
        "bits": finding.proof.bits if finding.proof else None,
        "elements": worst.difference.elements if worst else 0,
        "differing": worst.difference.differing if worst else 0,
        "largest": farthest.difference.largest if farthest else 0.0,
        "largest_steps": farthest.largest_steps if farthest else None,
        "why": words.why(finding),
    }
