"""What was moved in a file, and what could not be repaired, for people."""

from collections.abc import Iterator

from rich.text import Text

from qconvert.checking.repair.moves import Repair, Unrepaired
from qconvert.report.escape import printable

#: Moves that are worth a line each.
_MOST = 8


def repair_lines(repair: Repair) -> Iterator[Text]:
    """One line a move, and one a channel that has none."""
    if repair.path is not None:
        yield Text(f"repaired: {printable(repair.path)}")
    for move in repair.moved[:_MOST]:
        what = f"{printable(move.layer)}: {move.constant}, channel {move.channel}"
        yield Text(f"moved: {what}, by {move.ulps} ulp")
    if len(repair.moved) > _MOST:
        yield Text(f"moved: {len(repair.moved) - _MOST} more constants")
    for one in repair.unrepaired:
        yield Text(f"not repaired: {_told(one)}", "red")


def _told(one: Unrepaired) -> str:
    numbers = " and ".join(f"{printable(name)} is {value:.9g}" for name, value in one.example)
    where = f"{printable(one.layer)}, channel {one.channel}"
    many = "" if one.states == 1 else "s"
    return f"{where}: codes flip in {one.states} state{many}, as where {numbers}; {one.reason}"
