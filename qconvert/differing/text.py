"""Differences for people, layer by layer."""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.text import Text

from qconvert.amounts import amount
from qconvert.differing.results import Change, Compared, Differences, Kind, Numbers
from qconvert.report.escape import printable

_STYLES: Final = {
    Kind.ADDED: "green",
    Kind.BETTER: "green",
    Kind.REMOVED: "red",
    Kind.WORSE: "red",
}
_SIGNS: Final = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.BETTER: "^", Kind.WORSE: "v"}


def show(found: Differences, console: Console) -> None:
    """Print the differences; *console* decides about colours."""
    for line in _lines(found):
        console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)


def _lines(found: Differences) -> Iterator[Text]:
    for sign, one in (("-", found.first), ("+", found.second)):
        yield Text(f"{sign} {_compared(one)}", "bold")
    for layer, changes in groupby(found.changes, key=lambda change: change.layer):
        yield Text()
        yield Text(printable(layer) if layer else "the whole", "bold")
        yield from map(_line, changes)
    yield Text()
    for text in found.not_compared:
        yield Text(f"not compared: {printable(text)}", "yellow")
    yield Text(_told(found), "bold")


def _compared(one: Compared) -> str:
    digest = f", SHA-256 {one.sha256}" if one.sha256 else ""
    return f"{one.format.value} {printable(one.path or 'in memory')}{digest}"


def _told(found: Differences) -> str:
    if found.equal:
        return "nothing differs"
    layers = {change.layer for change in found.changes if change.layer}
    changes = amount(len(found.changes), "change")
    return f"{changes}, in {amount(len(layers), 'layer')}" if layers else changes


def _line(change: Change) -> Text:
    sign = _SIGNS.get(change.kind, "~")
    what = change.what or ("name" if change.kind is Kind.RENAMED else "layer")
    text = f"  {sign} {what}: {_values(change)}"
    return Text(printable(text), _STYLES.get(change.kind, ""))


def _values(change: Change) -> str:
    if change.numbers is not None:
        return _numbers(change.numbers)
    if change.before is None or change.after is None:
        return change.before or change.after or change.kind.value
    return f"{change.before} -> {change.after}"


def _numbers(found: Numbers) -> str:
    """How many, how far, and the first of them; of one number alone, how far."""
    pair = f"{found.before:.9g} -> {found.after:.9g}"
    steps = "" if found.steps is None else f", {_steps(found.steps)}"
    if found.elements == 1:
        return f"{pair}{steps}"
    index = ",".join(map(str, found.first))
    share = f"{found.differing:,} of {found.elements:,} numbers"
    return f"{share}, by up to {found.largest:.6g}{steps}; first [{index}] {pair}"


def _steps(steps: float) -> str:
    return "1 step" if steps == 1 else f"{steps:.6g} steps"
