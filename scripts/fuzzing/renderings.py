"""F7: reports whose every text is a stranger's, in every form in which reports are shown."""

import dataclasses
import io
import json
import re
from collections.abc import Callable
from functools import cache
from itertools import cycle
from typing import Any, Final
from xml.etree import ElementTree

import jsonschema
import xmlschema
from hypothesis import strategies as st
from rich.console import Console

from qconvert.checking.results import Report
from qconvert.report.escape import printable
from qconvert.report.github import annotations
from qconvert.report.html.check import check_page
from qconvert.report.junit import to_junit
from qconvert.report.markdown import to_markdown
from qconvert.report.sarif import to_sarif
from qconvert.report.terminal import show
from scripts.browsing.large_report import large_report
from scripts.fuzzing.drawn import Drawn
from scripts.fuzzing.seeds import DATA
from scripts.fuzzing.tally import WrongError
from tests.report.page_reader import PageReader

#: What acts somewhere.
_ACTIVE: Final = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style>", "{{7*7}}", "]]>",
    "<!--", "\n::error::x", "::add-mask::x", "##[group]x", "##vso[x]", "%0A", "\x1b[31m", "\x9b0m",
    "\0", "\r", "\u202e", "\u200b", "\u2028", "\ufeff", "\ufffe", "\ud800", "\U000e0041",
    "[/bold]", "[x](javascript:x)", "=cmd()", "|", "`", "$x$", "@all", "#1", "https://x.example",
    "www.x.example", "&lt;", "~~", "**",
)  # fmt: skip
#: What no rendering may have: all that does not show, but for the ends of lines.
_HIDDEN: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff\ufffe\ud800-\udfff]"
)
_COMMAND: Final = re.compile(r"::(error|warning|notice) title=qconvert%3A [^:,]*::.*")
_INERT: Final = frozenset({"script", "img", "iframe", "object", "embed", "form", "base", "use"})
_ADDRESSES: Final = frozenset({"src", "action", "formaction", "data", "poster", "xlink:href"})
#: In Markdown, what renderers take for more than itself.
_OWN: Final = re.compile(r"</?(details|summary)>|<!-- -->")


def texts() -> st.SearchStrategy[str]:
    """Texts of what acts and of any characters, also of halves of pairs."""
    any_text = st.text(st.characters(), max_size=12)
    return st.lists(st.one_of(st.sampled_from(_ACTIVE), any_text), max_size=4).map("".join)


def hostile(report: Report, parts: list[str]) -> Report:
    """The report with the *parts* in front of its texts in turn, one in front of equal ones."""
    given = cycle(parts)
    known: dict[str, str] = {}

    def changed(value: Any) -> Any:  # noqa: ANN401 - all that a report is made of
        match value:
            case str():
                return known.setdefault(value, next(given) + value)
            case tuple():
                return tuple(map(changed, value))
            case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
                names = (field.name for field in dataclasses.fields(value))
                return dataclasses.replace(value, **{n: changed(getattr(value, n)) for n in names})
            case _:
                return value

    found: Report = changed(report)
    return found


def _require(holds: object, what: str) -> None:
    if not holds:
        raise WrongError(what)


def _require_page(report: Report) -> str:
    page = check_page(report)
    reader = PageReader(page)
    tags = {element.tag for element in reader.elements}
    attributes = {name for element in reader.elements for name in element.attributes}
    _require(not tags & _INERT, f"elements that act: {tags & _INERT}")
    acting = {name for name in attributes if name.startswith("on") or name == "style"}
    _require(not acting | attributes & _ADDRESSES, f"attributes that act: {acting}")
    links = all(re.fullmatch(r"#[a-z]+[0-9]*", address) for address in reader.values("href"))
    _require(links, "a link that leads elsewhere")
    # What begins with "<" is told by the parser, what does not show is not.
    _require(printable(report.layers[0].name) in reader.text, "the name of a layer is not shown")
    return page


def _require_junit(report: Report) -> str:
    text = to_junit(report)
    _junit_schema().validate(text)
    cases = ElementTree.fromstring(text).iter("testcase")
    names = {case.attrib["name"] for case in cases}
    _require(printable(report.layers[0].name) in names, "the name of a layer is another in JUnit")
    return text


def _require_sarif(report: Report) -> str:
    text = to_sarif(report)
    log = json.loads(text)
    _sarif_schema().validate(log)
    for artifact in log["runs"][0].get("artifacts", ()):
        uri = artifact.get("location", {}).get("uri", "")
        _require(re.fullmatch(r"[A-Za-z0-9_.~%/:-]*", uri), "an address that leads elsewhere")
    return text


def _require_markdown(report: Report) -> str:
    text = to_markdown(report)
    own = _OWN.sub("", text)
    _require(not re.search(r"(?<!\\)[<>`\[\]@]", own) and "$" not in own, "Markdown that acts")
    _require(not any(line.startswith("::") for line in text.splitlines()), "a command in Markdown")
    return text


def _require_annotations(report: Report) -> str:
    lines = list(annotations(report))
    _require(all(map(_COMMAND.fullmatch, lines)), "an annotation that is another command")
    text = "\n".join(lines)
    _require("##[" not in text, "a command in an annotation")
    return text


def _require_terminal(report: Report) -> str:
    stream = io.StringIO()
    show(report, Console(file=stream, force_terminal=False, width=80))
    text = stream.getvalue()
    _require(not re.search(r"(?m)^ *::|##\w*\[", text), "a command in the log")
    return text


@cache
def _junit_schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(DATA / "schemas" / "junit-10.xsd"))


@cache
def _sarif_schema() -> jsonschema.Draft7Validator:
    path = DATA / "schemas" / "sarif-2.1.0.schema.json"
    return jsonschema.Draft7Validator(json.loads(path.read_text(encoding="utf-8")))


_SINKS: Final[tuple[Callable[[Report], str], ...]] = (
    _require_page, _require_junit, _require_sarif, _require_markdown, _require_annotations,
    _require_terminal,
)  # fmt: skip


@cache
def _reports() -> tuple[Report, ...]:
    """One that passes, and one in which something differs."""
    return large_report(3), large_report(3, 1)


def attempt(parts: list[str]) -> str:
    """Show both reports in every form; nothing of the texts may act, or be lost."""
    for report in _reports():
        shown = hostile(report, parts)
        for sink in _SINKS:
            text = sink(shown)
            text.encode()
            found = _HIDDEN.search(text)
            _require(found is None, f"{sink.__name__}: {found} stands in what is shown")
    return ""


TARGET: Final[Drawn[Any]] = Drawn(
    name="renderings",
    what="reports with texts that act",
    inputs=st.lists(texts(), min_size=1, max_size=5),
    attempt=attempt,
    content=lambda parts: json.dumps(parts).encode(),
    suffix=".json",
    seconds=20.0,
)
