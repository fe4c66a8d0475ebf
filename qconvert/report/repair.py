"""What was moved in a file, and what could not be repaired, for people."""

from collections.abc import Iterator

from rich.text import Text

from qconvert.checking.repair.moves import Repair
from qconvert.report import words
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
        yield Text(f"not repaired: {printable(words.of_unrepaired(one))}", "red")
