"""The report in Python: renderings, a frame in a notebook, a table of pandas."""

import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from qconvert.checking.results import Report
from qconvert.errors import OutputError
from qconvert.report import words
from qconvert.report.formats import FORMATS
from qconvert.report.interactive import CheckReport


class Frames(HTMLParser):
    """Every tag of a text, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_it_is_the_same_report(passing: Report) -> None:
    shown = CheckReport.of(passing)
    assert (shown.verdict, shown.layers, shown.to_json()) == (
        passing.verdict,
        passing.layers,
        CheckReport.of(replace(passing)).to_json(),
    )


def test_printed_it_is_one_line(failing: Report) -> None:
    assert str(CheckReport.of(failing)) == words.summary(failing)


def test_a_notebook_gets_one_frame_in_which_nothing_runs(failing: Report) -> None:
    shown = CheckReport.of(failing)
    ((tag, attributes),) = Frames(shown._repr_html_()).tags
    assert tag == "iframe" and attributes["sandbox"] is None
    assert attributes["srcdoc"] == shown.render("html")


def test_a_table_has_a_row_for_every_layer_and_output(failing: Report) -> None:
    table = CheckReport.of(failing).to_dataframe()
    names = [layer.name for layer in failing.layers] + [output.name for output in failing.outputs]
    assert list(table["name"]) == names
    assert list(table["verdict"]) == ["UNCHECKED", "DIFFERS", "DIFFERS", "DIFFERS"]
    assert (table["differing"][1], table["largest_steps"][1]) == (12, 1.0)


def test_it_saves_every_format_at_once(passing: Report, tmp_path: Path) -> None:
    shown, folder = CheckReport.of(passing), tmp_path / "r"
    shown.save(folder)
    assert {path.name for path in folder.iterdir()} == {form.file for form in FORMATS.values()}
    with pytest.raises(OutputError, match="not empty"):
        shown.save(folder)
    shown.save(folder, force=True)


def test_pandas_is_not_needed_until_a_table_is_wanted() -> None:
    code = "import sys, qconvert.report.interactive; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
