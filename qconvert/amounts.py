"""How many samples one may ask for, and how amounts are told."""

from typing import Final

from qconvert.errors import UsageError

#: Far more than anybody waits for: 40,000 times as many as without an option.
MOST_SAMPLES: Final = 10_000_000
#: A number that nobody reads; of much longer ones Python makes no text.
_LONG: Final = 10**30


def require_waited_for(samples: int | None) -> None:
    """`UsageError` for a number of *samples* that nobody waits for; None is one of our choice."""
    if samples is not None and samples > MOST_SAMPLES:
        reason = f"there are at most {MOST_SAMPLES:,} samples"
        raise UsageError("QC003", f"{_given('samples', samples)}: {reason}")


def require_reached(sample: int | None) -> None:
    """The same for the number of one *sample*, which count from 0."""
    if sample is not None and sample >= MOST_SAMPLES:
        reason = f"samples count from 0 to {MOST_SAMPLES - 1:,} at most"
        raise UsageError("QC003", f"{_given('sample', sample)}: {reason}")


def require_among(sample: int, count: int) -> None:
    """`UsageError` for the number of a *sample* that none of *count* has."""
    if not 0 <= sample < count:
        raise UsageError(
            "QC003", f"there is no sample {sample}: they count from 0, and are {count:,}"
        )


def _given(option: str, number: int) -> str:
    """An option and its *number*, if a message has the room for it."""
    return f"--{option} {number}" if number < _LONG else f"--{option}"


def amount(count: int, noun: str) -> str:
    """``1 layer``, ``2 layers``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
