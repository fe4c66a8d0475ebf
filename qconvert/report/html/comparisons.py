"""What was found between witnesses, for people; pairs of which the same is true share a line."""

from collections.abc import Iterator, Sequence

from qconvert.checking.compare import Difference, Example
from qconvert.checking.results import Comparison
from qconvert.report import words
from qconvert.report.html.captions import number


def agreement(comparisons: Sequence[Comparison]) -> str:
    """Which witnesses agree, and on how many numbers; empty if none do."""
    by_elements: dict[int, list[Comparison]] = {}
    for one in comparisons:
        if not one.difference.differing:
            by_elements.setdefault(one.difference.elements, []).append(one)
    return "; ".join(
        f"{_equal(equal, whole=len(equal) == len(comparisons))} ({elements:,} numbers)"
        for elements, equal in by_elements.items()
    )


def disagreements(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Who differs from whom, how often, by how much, and where first with which values."""
    alike: dict[Difference, list[Comparison]] = {}
    for one in comparisons:
        if one.difference.differing:
            alike.setdefault(one.difference, []).append(one)
    for difference, several in alike.items():
        pairs = ", ".join(" ≠ ".join(w.value for w in one.witnesses) for one in several)
        found = f"{difference.differing:,} of {difference.elements:,}, {_beyond(difference)}"
        first = "" if difference.first is None else f"; first {at(difference.first)}"
        yield f"{pairs}: {found}, by up to {words.largest(several[0])}{first}"


def at(example: Example) -> str:
    """A place, and what each witness has there."""
    values = (f"{witness.value} {number(value)}" for witness, value in example.values)
    shapes = (f"{witness.value} shape {shape}" for witness, shape in example.shapes)
    return f"at {list(example.index)}: {', '.join((*values, *shapes))}"


def _equal(comparisons: Sequence[Comparison], *, whole: bool) -> str:
    if not whole:
        return ", ".join(" = ".join(w.value for w in one.witnesses) for one in comparisons)
    return " = ".join(dict.fromkeys(w.value for one in comparisons for w in one.witnesses))


def _beyond(difference: Difference) -> str:
    if difference.beyond == difference.differing:
        return "all beyond rounding"
    return f"{difference.beyond:,} beyond rounding" if difference.beyond else "all by rounding"
