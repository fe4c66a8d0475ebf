"""Why all correct programs return the same for an operation, or why that is not known."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

#: Float32's mantissa.
PRECISION: Final = 24

NO_DENORMALS: Final = "no denormal numbers occur"
BIAS_LAST: Final = "the bias is added to the finished sum"


class Argument(Enum):
    """The kinds of proof; theorems are numbered as in docs/PROOFS.md."""

    MOVED = "elements are moved or selected"
    EXACT = "every intermediate number is a float32 (theorem 1)"
    QUANTIZED = "the quantizer rounds what float32 holds (theorem 4)"
    ROUNDED_ONCE = "one IEEE operation rounds equal operands"
    TABULATED = "no state comes near a boundary of the quantizer (theorem 6)"
    TRIED = "the states next to a boundary were tried in all runtimes (theorem 7)"
    DECIDED = "the numbers next to a boundary were tried in all runtimes, alone (theorem 8)"
    SCANNED = "every float32 number was tried in all runtimes"
    CODES = "whatever rounding does, all quantizers behind it return the same codes"


@dataclass(frozen=True, slots=True)
class Certificate:
    """From equal inputs every correct program computes equal results.

    ``magnitude`` is the largest number on the way, in steps of ``2**exp``, where sums are exact.
    Of a table ``states`` counts the rows, and ``near`` those next to a boundary; ``numbers`` are
    those that a quantizer was tried on by itself.
    """

    argument: Argument
    magnitude: int | None = None
    exp: int | None = None
    assumptions: tuple[str, ...] = ()
    states: int = 0
    near: int = 0
    numbers: int = 0

    @property
    def bits(self) -> int | None:
        """How many of the mantissa's bits the largest number takes, 24 at most."""
        return None if self.magnitude is None else max(self.magnitude - 1, 0).bit_length()

    @property
    def headroom(self) -> int | None:
        """How often the largest number could double."""
        return None if self.bits is None else PRECISION - self.bits


@dataclass(frozen=True, slots=True)
class Doubt:
    """It is not known that all correct programs return the same."""

    reason: str


MOVED: Final = Certificate(Argument.MOVED)
ROUNDED_ONCE: Final = Certificate(Argument.ROUNDED_ONCE, assumptions=(NO_DENORMALS,))
