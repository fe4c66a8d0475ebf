"""An explanation for those who ask for it from Python: a notebook shows it as a page."""

from dataclasses import dataclass, fields

from qconvert.explaining import Explanation
from qconvert.report.escape import printable
from qconvert.report.explanation.page import to_html
from qconvert.report.frame import framed


@dataclass(frozen=True, slots=True)
class ShownExplanation(Explanation):
    """The explanation of one element."""

    @classmethod
    def of(cls, explanation: Explanation) -> "ShownExplanation":
        """The same, for a notebook too."""
        return cls(
            **{field.name: getattr(explanation, field.name) for field in fields(explanation)}
        )

    def _repr_html_(self) -> str:
        return framed(to_html(self), printable(f"{self.layer}{list(self.index)}"))
