"""The tables of docs/TARGETS.md, and the lines of the terminal."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from qconvert.emit.dialects import DIALECTS
from scripts.targeted.judging import Outcome, Tried
from scripts.targeted.targets import TARGETS, Target, unexplained

#: Between which the page is written by the script.
BEGIN: Final = "<!-- written by scripts/targets.py --write -->"
END: Final = "<!-- end -->"


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
    target = TARGETS[found.name]
    title = f"{target.title}; {target.options}" if target.options else target.title
    if found.missing:
        yield f"| {title} | - | - | cannot be installed: {found.missing} |" + " - |" * len(DIALECTS)
        return
    for mode in target.modes:
        of_mode = [outcome for outcome in found.outcomes if outcome.mode == mode]
        cells = [
            _cell([o for o in of_mode if o.file.dialect == d], target, causes) for d in DIALECTS
        ]
        yield f"| {title} | {_versions(found)} | {mode} | {' | '.join(cells)} | {_tails(of_mode)} |"


def _cell(outcomes: Sequence[Outcome], target: Target, causes: list[str]) -> str:
    """Whether all files are right; which are not, how far, and the number of the cause."""
    wrong = [outcome for outcome in outcomes if not outcome.right]
    if not wrong:
        return f"identical ({len(outcomes)} files)"
    return "<br>".join(_told(outcome, target, causes) for outcome in wrong)


def _told(outcome: Outcome, target: Target, causes: list[str]) -> str:
    known = target.cause(outcome)
    number = ""
    if known is not None:
        if known.cause not in causes:
            causes.append(known.cause)
        number = f" [{causes.index(known.cause) + 1}]"
    name = outcome.file.name.removesuffix(f".{outcome.file.dialect}").removesuffix(".whole")
    return f"`{name}` {difference(outcome)}{number}"


def _tails(outcomes: Sequence[Outcome]) -> str:
    """How far the results of float32 tails are, which rounding explains."""
    tails = [o.difference for o in outcomes if o.rounds and o.right and o.difference]
    if not tails:
        return "-"
    return f"{max(each.largest for each in tails):.1e}"


def difference(outcome: Outcome) -> str:
    """How an answer differs from TensorFlow's, in a few words."""
    found = outcome.difference
    if found is None:
        return f"cannot run: {outcome.error.splitlines()[-1]}"
    return f"differs in {found.differing} of {found.elements}, by {found.largest:.2g} at most"


def _versions(found: Tried) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.versions.items())
