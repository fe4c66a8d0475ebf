"""An explanation as a page of HTML."""

from qconvert.explaining import Explanation
from qconvert.report.explanation.sheet import sheet_of
from qconvert.report.html.page import page


def to_html(explanation: Explanation, *, all_terms: bool = False) -> str:
    """One self-contained page."""
    sheet = sheet_of(explanation, all_terms=all_terms)
    content = {"sheet": sheet, "sha256": explanation.sha256}
    return page("explanation.html.j2", sheet.title, content, ["explanation.css"])
