"""Reports of anybody, all of whose names try to act where they are shown."""

import json
import os
import subprocess
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.faulted.running import environment
from scripts.faulted.witnesses import command
from tests.hostile.case import Call
from tests.hostile.commands.subjects import WITNESS, checked, model

Words = Sequence[str | Path]

#: What a browser shows.
PAGES = ("html", "junit", "markdown")
FORMATS = ("terminal", "html", "junit", "sarif", "markdown", "json")
#: Of each row: what layers are called.
NAMES = {
    67: "\"'><script>alert(1)</script><img src=x onerror=alert(1)></style>{{7*7}}[a](javascript:b)",
    68: "\n::error::x%0A\x1b[31m\x9b\x00\u202e\u200b[/bold]",
}
#: Broken reports: their row, what they hold, and the code.
BROKEN = {
    "a report that is no JSON": (13, "{", "QC202"),
    "a report that is a list": (14, "[]", "QC203"),
    "a report that is empty": (14, "{}", "QC140"),
    "a report nested deeply": (15, "[" * 100_000, "QC204"),
    "a report 100 deep": (15, '{"a":' * 100 + "1" + "}" * 100, "QC204"),
    "a report with a number of 5,000 digits": (16, f'{{"passed": {"9" * 5000}}}', "QC205"),
    "a report with a byte order mark": (68, "\ufeff{}", "QC209"),
    "a report with half a surrogate": (68, '{"passed": "\\ud800"}', "QC209"),
}


@cache
def _report() -> str:
    with TemporaryDirectory() as folder:
        words = command(model(Path(folder)), Path(folder))
        subprocess.run(words, env=environment(**WITNESS), capture_output=True, check=True)
        return (Path(folder) / "report.json").read_text(encoding="utf-8")


def named(row: int, form: str, folder: Path) -> Words:
    """A report of layers with the names of *row*, in another format."""
    text = _report().replace('"fc"', json.dumps(f"fc{NAMES[row]}"))
    (folder / "report.json").write_text(text, encoding="utf-8")
    return ["report", folder / "report.json", "--format", form]


def broken(text: str, folder: Path) -> Words:
    (folder / "report.json").write_text(text, encoding="utf-8")
    return ["report", folder / "report.json"]


def large(folder: Path) -> Words:
    with (folder / "report.json").open("wb") as file:
        file.truncate(257 << 20)
    return ["report", folder / "report.json"]


def pipe(folder: Path) -> Words:
    os.mkfifo(folder / "report.json")
    return ["report", folder / "report.json"]


def as_model(command: str, folder: Path) -> Words:
    (folder / "report.json").write_text(_report(), encoding="utf-8")
    return [command, folder / "report.json"]


def as_onnx(folder: Path) -> Words:
    (folder / "report.json").write_text(_report(), encoding="utf-8")
    return checked(folder, folder / "report.json")


CASES = (
    Call(19, "a report of 257 MiB", large, "QC110", 7, "larger than 256 MiB"),
    Call(8, "a pipe as report", pipe, "QC106", 4),
    *(
        Call(7, f"a report, to {command}", partial(as_model, command), "QC105", 3,
             "qconvert report FILE")
        for command in ("inspect", "export", "check", "weights")
    ),
    Call(72, "a report in the place of the file", as_onnx, "QC702", 4, "qconvert report FILE",
         environment=WITNESS),
    *(
        Call(row, f"a report of such names as {form}", partial(named, row, form), "", 0,
             never="<script>alert" if form in PAGES else "")
        for row in NAMES
        for form in FORMATS
    ),
    *(
        Call(row, name, partial(broken, text), code, 4)
        for name, (row, text, code) in BROKEN.items()
    ),
)  # fmt: skip
