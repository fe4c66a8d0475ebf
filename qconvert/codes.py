"""What each error code means: the table codes.toml, which docs/ERRORS.md shows as well."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from qconvert.errors import UsageError, similar


@dataclass(frozen=True, slots=True)
class Explanation:
    """One kind of error: what happened, what it usually comes from, and what to do."""

    title: str
    meaning: str
    remedy: str


def explanations() -> Mapping[str, Explanation]:
    """All codes in order."""
    text = files("qconvert").joinpath("codes.toml").read_text(encoding="utf-8")
    return {code: Explanation(**entry) for code, entry in tomllib.loads(text).items()}


def explanation(code: str) -> Explanation:
    """What *code* means; `UsageError` if there is no such code."""
    known = explanations()
    if code not in known:
        raise UsageError("QC920", f"there is no error {code!r}{similar(code, known)}")
    return known[code]
