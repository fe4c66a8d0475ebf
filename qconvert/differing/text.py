"""Differences for people, layer by layer."""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.text import Text

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
    changes = f"{len(found.changes)} change{'s' * (len(found.changes) != 1)}"
    return f"{changes}, in {len(layers)} layer{'s' * (len(layers) != 1)}" if layers else changes


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
    """How many, how far, and the first of them."""
    index = ",".join(map(str, found.first))
    far = f"by up to {found.largest:.6g}"
    if found.steps is not None:
        far += f", {found.steps:.6g} step{'s' * (found.steps != 1)}"
    first = f"first [{index}] {found.before:.9g} -> {found.after:.9g}"
    return f"{found.differing:,} of {found.elements:,} numbers, {far}; {first}"
