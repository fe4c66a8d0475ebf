"""A quantizer as every witness computes it, and what is found where they disagree."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from qconvert.checking.scans.floats import NONE, Mask, Program, Ranges
from qconvert.checking.witness import Witness
from qconvert.ir import F32

#: Different levels that a grid is looked for in.
_MOST_LEVELS: Final = 1 << 17


@dataclass(frozen=True, slots=True, eq=False)
class Programs:
    """The witnesses in the ``body`` of a long tensor, and TensorFlow in its ``tail``.

    That are the last elements, fewer than a vector. ``thresholds`` are the numbers that the
    exported file searches among.
    """

    body: Mapping[Witness, Program]
    tail: Program
    thresholds: F32 = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True)
class Scan:
    """What is known of a quantizer for all float32 numbers up to the magnitude ``limit``.

    ``tried`` numbers went through all programs: every one where ``whole``, else those next to
    boundaries and both ends of what lies between. ``different`` are those for which a witness
    returns another result than TensorFlow, ``ambiguous`` those for which TensorFlow has two.
    ``levels`` are all results, in order, if there are few; ``unknown`` says why less is known.
    """

    limit: float
    tried: int
    whole: bool
    different: Ranges = NONE
    ambiguous: Ranges = NONE
    levels: tuple[float, ...] | None = None
    unknown: str = ""


def unequal(a: F32, b: F32) -> Mask:
    """Where two results differ; NaN is equal to NaN, and 0 to -0."""
    found: Mask = (a != b) & ~(np.isnan(a) & np.isnan(b))
    return found


def few(levels: F32) -> tuple[float, ...] | None:
    """All levels in order, unless they are many or no numbers."""
    distinct = np.unique(levels)
    if len(distinct) > _MOST_LEVELS or not np.isfinite(distinct).all():
        return None
    return tuple(distinct.tolist())
