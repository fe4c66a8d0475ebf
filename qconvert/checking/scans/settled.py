"""What scans of quantizers prove, given what can come to each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from qconvert.amounts import amount
from qconvert.checking.scans.floats import Ranges, floats_at
from qconvert.checking.scans.programs import Scan
from qconvert.checking.scans.reached import magnitude, reached
from qconvert.checking.tables.enumeration import THIS_MACHINE
from qconvert.exactness import Argument, Certificate, Doubt, Free, Reach
from qconvert.exactness.quantizers import NO_OVERFLOW, UNKNOWN_RANGE
from qconvert.exactness.reach import Values, hull, of_array
from qconvert.exactness.rules import Known
from qconvert.ir import F32, Node

#: What `emit` leaves out of the domain: inputs of so many times the range.
_FAR: Final = 65_536
#: Numbers of this size overflow on the way, as a product with a power of two.
_HUGE: Final = 2.0**100


@dataclass(frozen=True, slots=True, eq=False)
class Scans:
    """By name of the node, the scan of its quantizer, or why there is none."""

    found: Mapping[str, Scan | Doubt] = field(default_factory=dict)

    def settled(self, node: Node, inputs: tuple[Values, ...], plain: Known) -> Known:
        """What is known of a node's results and programs, where theorems alone say *plain*."""
        scan = self.found.get(node.name)
        if scan is None or isinstance(plain[1], Certificate):
            return plain
        if isinstance(scan, Doubt):
            return plain[0], Doubt(f"{plain[1].reason}: {scan.reason}")
        judged = _judged(scan, inputs[0])
        known = isinstance(judged, Certificate) or judged == UNKNOWN_RANGE
        return (_reach(scan, len(node.shape)) if known else None) or plain[0], judged


def differing(scan: Scan, x: Values) -> F32:
    """Examples of numbers for which witnesses differ, of those that *x* can be.

    Not those that are far beyond all levels.
    """
    numbers = reached(scan.different, x)
    return numbers[abs(numbers) <= _limit(scan)]


def _limit(scan: Scan) -> float:
    """Up to which magnitude witnesses are equal, if they differ for far larger numbers alone."""
    nearest = scan.different.nearest
    if nearest is None:
        return scan.limit
    last = float(floats_at(np.array([max(nearest - 1, 0)]))[0])
    far = _HUGE if scan.levels is None else _FAR * max(map(abs, scan.levels))
    return min(scan.limit, last) if last > far else scan.limit


def _judged(scan: Scan, x: Values) -> Certificate | Doubt:
    if scan.unknown:
        return Doubt(scan.unknown)
    twice = reached(scan.ambiguous, x)
    if twice.size:
        told = _numbers(scan.ambiguous, twice)
        return Doubt(f"TensorFlow disagrees with itself at the end of a tensor {told}")
    different = differing(scan, x)
    if different.size:
        return Doubt(f"runtimes differ {_numbers(scan.different, different)}")
    return _within(scan, x, _limit(scan))


def _within(scan: Scan, x: Values, limit: float) -> Certificate | Doubt:
    """Certified for numbers up to the limit, if that is what comes."""
    assumptions = [THIS_MACHINE]
    largest = magnitude(x)
    if largest is not None and largest > limit:
        return Doubt(f"inputs of up to {largest:g}, which QKeras does not round beyond {limit:g}")
    if largest is None and limit < _HUGE:
        if not isinstance(x, Free):
            return UNKNOWN_RANGE if not scan.different else Doubt(UNKNOWN_RANGE.reason)
        assumptions.append(f"no number fed to it is beyond {limit:g}")
    elif largest is None and scan.different:
        assumptions.append(NO_OVERFLOW)
    argument = Argument.SCANNED if scan.whole else Argument.DECIDED
    return Certificate(argument, assumptions=tuple(assumptions), numbers=scan.tried)


def _reach(scan: Scan, rank: int) -> Reach | None:
    """All levels, on one step."""
    if not scan.levels:
        return None
    whole = hull(of_array(np.array(scan.levels, np.float32)), (0,))
    return Reach(*(each.reshape((1,) * rank) for each in (whole.lo, whole.hi, whole.exp)))


def _numbers(ranges: Ranges, reached: F32) -> str:
    return f"({amount(ranges.count, 'number')}, such as {reached[0]:.9g})"
