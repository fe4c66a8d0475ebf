"""A witness's failure for people: what failed and what it died of, without configurations."""

from typing import Final

from qconvert.report.escape import shortened

#: Behind this line Keras tells with which tensors a layer was called.
_CALL: Final = "Call arguments received"


def lines_of(failure: str) -> list[str]:
    """The first line of a failure and its last one that means something, safe for a terminal."""
    lines = [line.strip() for line in failure.splitlines() if line.strip()]
    end = next((i for i, line in enumerate(lines) if i and line.startswith(_CALL)), len(lines))
    first, *others = lines[:end] or [""]
    # Keras puts whole configurations of layers into its messages.
    return [shortened(first), *(shortened(line) for line in others[-1:])]
