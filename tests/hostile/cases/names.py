"""Names that do something where they are shown or used as a path, and names that only seem to."""

from functools import partial

from tests.hostile.building import WEIGHTS, entry, hdf5, model, option, renamed
from tests.hostile.case import Case, Make


def called(name: str, stored: str | None = None) -> Make:
    weights = {"x": {}, stored or name: WEIGHTS["d"], "a": {}}
    return hdf5(model(partial(renamed, name)), weights)


HARMLESS = ("conv1.a-b_c", "a/b", "CON", "../../x", "D", "A" * 200)
ACTIVE = (
    "<script>alert(1)</script>",
    '"><img onerror=x>',
    "{{7*7}}",
    "a\n::error::x",
    "%0A",
    "\x1b[31m",
    "\x9b31m",
    "\u202e",
    "\u200b",
    "[/bold]",
    "=cmd|' /C calc'!A0",
    "a b",
    "a\tb",
)


CASES = (
    *(Case(f"a name {name[:20]!r}", called(name), "", 0) for name in HARMLESS),
    *(Case(f"a name {n!r}", called(n, "d"), "QC330", 4, "other characters") for n in ACTIVE),
    Case("a name of 201", called("x" * 201, "d"), "QC331", 4, "--limit name-length=N"),
    Case("a name of 100,000", called("x" * 100_000, "d"), "QC331", 4, "--limit name-length=N"),
    Case("a name of 201, allowed", called("x" * 201), "", 0, "", {"name-length": 201}),
    Case("no name", called("", "d"), "QC312", 4),
    Case("a number as a name", hdf5(model(option("name", 7))), "QC312", 4),
    Case("two names", hdf5(model(entry("name", "e"))), "QC312", 4, "two names"),
    Case("javascript:", called("javascript:alert"), "", 0),
)
