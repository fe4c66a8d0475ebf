"""An explanation for those who ask for it from Python: a notebook shows it as a page."""

from dataclasses import dataclass, fields
from html import escape

from qconvert.explaining import Explanation
from qconvert.report.escape import printable
from qconvert.report.explanation.page import to_html

#: Of the frame in a notebook, in pixels.
_HEIGHT = 640


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
        # A frame keeps the page's style sheet and the notebook's apart, and its policy in force.
        page, title = escape(to_html(self)), escape(printable(f"{self.layer}{list(self.index)}"))
        return (
            f'<iframe sandbox title="{title}" srcdoc="{page}" width="100%" height="{_HEIGHT}"'
            ' frameborder="0"></iframe>'
        )
