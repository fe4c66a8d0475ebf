"""How many samples one may ask for, and how amounts are told."""

from typing import Final

from qconvert.errors import UsageError

#: Far more than anybody waits for: 40,000 times as many as without an option.
MOST_SAMPLES: Final = 10_000_000


def require_waited_for(samples: int | None) -> None:
    """`UsageError` for a number of *samples* that nobody waits for; None is one of our choice."""
    if samples is not None and samples > MOST_SAMPLES:
        raise UsageError("QC003", f"there are at most {MOST_SAMPLES:,} samples")


def amount(count: int, noun: str) -> str:
    """``1 layer``, ``2 layers``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
