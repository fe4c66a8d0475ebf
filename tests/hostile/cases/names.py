"""Names that do something where they are shown or used as a path, and names that only seem to."""

from functools import partial

from tests.hostile.building import WEIGHTS, entry, hdf5, model, option, renamed
from tests.hostile.case import Case, Make


def called(name: str, stored: str | None = None) -> Make:
    weights = {"x": {}, stored or name: WEIGHTS["d"], "a": {}}
    return hdf5(model(partial(renamed, name)), weights)


HARMLESS = ("conv1.a-b_c", "a/b", "CON", "../../x", "D", "A" * 200)
MARKUP = ("<script>alert(1)</script>", '"><img onerror=x>', "</script>", "{{7*7}}")
ACTIVE = (
    "a\n::error::x",
    "%0A",
    "\x1b[31m",
    "\x9b31m",
    "\0",
    "\u202e",
    "\u200b",
    "[/bold]",
    "=cmd|' /C calc'!A0",
    "a b",
    "a\tb",
)


CASES = (
    *(Case(69, f"a name {name[:20]!r}", called(name), "", 0) for name in HARMLESS),
    *(
        Case(row, f"a name {name!r}", called(name, "d"), "QC330", 4, "other characters")
        for row, names in ((67, MARKUP), (68, ACTIVE))
        for name in names
    ),
    Case(69, "a name of 201", called("x" * 201, "d"), "QC331", 4, "--limit name-length=N"),
    Case(69, "a name of 100,000", called("x" * 100_000, "d"), "QC331", 4, "--limit name-length=N"),
    Case(69, "a name of 201, allowed", called("x" * 201), "", 0, "", {"name-length": 201}),
    Case(31, "no name", called("", "d"), "QC312", 4),
    Case(31, "a number as a name", hdf5(model(option("name", 7))), "QC312", 4),
    Case(31, "two names", hdf5(model(entry("name", "e"))), "QC312", 4, "two names"),
    Case(67, "javascript:", called("javascript:alert"), "", 0),
)
