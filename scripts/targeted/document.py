"""The tables of docs/TARGETS.md, and the lines of the terminal."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from qconvert.emit.dialects import DIALECTS
from scripts.targeted.cases import WHOLE
from scripts.targeted.environments import last_line
from scripts.targeted.fileset import File
from scripts.targeted.judging import Outcome, Tried
from scripts.targeted.targets import TARGETS, Known, Target, unexplained

#: Between which the page is written by the script.
BEGIN: Final = "<!-- written by scripts/targets.py --write -->"
END: Final = "<!-- end -->"
#: So many files are told one by one.
_MOST: Final = 6


def summary(found: Tried, target: Target) -> str:
    """One line about a target, and one for each of its files that nobody has explained."""
    if found.missing:
        return f"{found.name}: cannot be installed: {found.missing}"
    counts = Counter(outcome.right for outcome in found.outcomes)
    lines = [f"{found.name}: {counts[True]} of {counts.total()} right; {_versions(found)}"]
    lines += [f"  {o.file.name} {o.mode}: {difference(o)}" for o in unexplained(found, target)]
    return "\n".join(lines)


def page(text: str, found: Sequence[Tried]) -> str:
    """The page with new tables in place of those in *text*."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n\n".join((f"{before}{BEGIN}", "\n".join(_tables(found)), f"{END}{after}"))


def _tables(found: Sequence[Tried]) -> Iterator[str]:
    yield f"| target | versions | mode | {' | '.join(DIALECTS)} | float32 tails |"
    yield "|---" * (len(DIALECTS) + 4) + "|"
    causes: list[str] = []
    for each in found:
        yield from _rows(each, causes)
    yield ""
    yield from (f"{number}. {cause}." for number, cause in enumerate(causes, 1))


def _rows(found: Tried, causes: list[str]) -> Iterator[str]:
    """A row for the modes with the same cells."""
    target = TARGETS[found.name]
    title = f"{target.title}; {target.options}" if target.options else target.title
    if found.missing:
        yield f"| {title} | - | - | cannot be installed: {found.missing} |" + " - |" * len(DIALECTS)
        return
    modes: dict[tuple[str, ...], list[str]] = {}
    for mode in target.modes:
        of_mode = [outcome for outcome in found.outcomes if outcome.mode == mode]
        told = (
            _cell([o for o in of_mode if o.file.dialect == d], target, causes) for d in DIALECTS
        )
        modes.setdefault((*told, _tails(of_mode)), []).append(mode)
    for cells, names in modes.items():
        yield f"| {title} | {_versions(found)} | {', '.join(names)} | {' | '.join(cells)} |"


def _cell(outcomes: Sequence[Outcome], target: Target, causes: list[str]) -> str:
    """Whether all files are right; which are not, how far, and the number of the cause."""
    if not outcomes:
        return "-"
    wrong: dict[Known | None, list[Outcome]] = {}
    for outcome in outcomes:
        if not outcome.right:
            wrong.setdefault(target.cause(outcome), []).append(outcome)
    told = (_told(known, group, causes) for known, group in wrong.items())
    return "<br>".join(told) or f"identical ({len(outcomes)} files)"


def _told(known: Known | None, outcomes: Sequence[Outcome], causes: list[str]) -> str:
    """The files that differ for one cause; how many they are, if there are many."""
    texts = [f"`{_short(outcome.file)}` {difference(outcome)}" for outcome in outcomes]
    text = "<br>".join(texts) if len(texts) <= _MOST else f"{len(texts)} files differ"
    if known is None:
        return text
    if known.cause not in causes:
        causes.append(known.cause)
    return f"{text} [{causes.index(known.cause) + 1}]"


def _short(file: File) -> str:
    """The name of a file without what the table says."""
    return file.case if file.part == WHOLE else f"{file.case}, {file.part}"


def _tails(outcomes: Sequence[Outcome]) -> str:
    """How far the results of float32 tails are, which rounding explains."""
    tails = [o.difference for o in outcomes if o.rounds and o.right and o.difference]
    return f"{max(each.largest for each in tails):.1e}" if tails else "-"


def difference(outcome: Outcome) -> str:
    """How an answer differs from TensorFlow's, in a few words."""
    found = outcome.difference
    if found is None:
        return f"cannot run: {last_line(outcome.error)}"
    return f"differs in {found.differing} of {found.elements}, by {found.largest:.2g} at most"


def _versions(found: Tried) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.versions.items())
