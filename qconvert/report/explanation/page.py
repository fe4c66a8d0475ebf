"""An explanation as HTML: a page of its own, or a part of a notebook."""

from qconvert.explaining import Explanation
from qconvert.report.explanation.sheet import sheet_of
from qconvert.report.html import page, part


def to_html(explanation: Explanation, *, all_terms: bool = False) -> str:
    """One self-contained page."""
    sheet = sheet_of(explanation, all_terms=all_terms)
    content = {"sheet": sheet, "sha256": explanation.sha256}
    return page("explanation.html.j2", sheet.title, content, ["explanation.css"])


def fragment(explanation: Explanation) -> str:
    """The same without page and style, for what shows it among other things."""
    return part("explanation_body.html.j2", {"sheet": sheet_of(explanation)})
