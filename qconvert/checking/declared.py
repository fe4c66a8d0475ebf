"""What the user says that a model's inputs can be."""

import math
import re
from collections.abc import Sequence
from typing import Final

from qconvert.errors import UsageError
from qconvert.ir import Graph, Grid

#: ``uint8/256``: the numbers of an integer type, divided.
_INTEGERS: Final = re.compile(r"(u?)int(\d{1,2})(?:/(\d+))?")
#: ``grid(step, lo, hi)``: multiples of a step, from the first to the last number.
_GRID: Final = re.compile(r"grid\(([^,()]+),([^,()]+),([^,()]+)\)")
#: Types that float32 holds.
_MOST_BITS: Final = 24
FORMS: Final = "uint8/256, int16, grid(STEP,LO,HI), float"


def read_domains(graph: Graph, texts: Sequence[str]) -> dict[str, Grid]:
    """The grids of inputs from texts like ``image=uint8/256``; of an only input the name may go.

    ``float`` declares nothing. `UsageError` for unknown names and what is no grid.
    """
    names = [source.name for source in graph.inputs]
    found: dict[str, str] = {}
    for text in texts:
        name, given, what = text.partition("=")
        if not given and len(names) == 1:
            name, what = names[0], text
        if name not in names:
            raise UsageError(f"{text!r} declares no input of the model, which are {names}")
        if name in found:
            raise UsageError(f"the input {name!r} has two domains")
        found[name] = what.replace(" ", "")
    return {name: _grid(what) for name, what in found.items() if what != "float"}


def described(name: str, grid: Grid) -> str:
    """A declared domain in words."""
    lo, hi = grid.lo * grid.step, grid.hi * grid.step
    return f"{name} is a multiple of {grid.step:g} from {lo:g} to {hi:g}"


def _grid(text: str) -> Grid:
    if match := _INTEGERS.fullmatch(text):
        unsigned, bits, divisor = match[1] == "u", int(match[2]), int(match[3] or 1)
        if not 1 <= bits <= _MOST_BITS:
            raise UsageError(f"{text!r}: of integers 1 to {_MOST_BITS} bits are exact in float32")
        half = 0 if unsigned else 1 << (bits - 1)
        return Grid(-half, (1 << bits) - 1 - half, -_exponent(text, divisor))
    if match := _GRID.fullmatch(text):
        try:
            step, lo, hi = (float(number) for number in match.groups())
        except ValueError:
            raise UsageError(f"{text!r}: grid takes three numbers") from None
        exp = _exponent(text, step)
        ends = math.ldexp(lo, -exp), math.ldexp(hi, -exp)
        if not all(end.is_integer() and abs(end) <= 1 << _MOST_BITS for end in ends) or lo > hi:
            raise UsageError(f"{text!r}: both ends have to be multiples of the step, in order")
        return Grid(int(ends[0]), int(ends[1]), exp)
    raise UsageError(f"{text!r} is no domain; known forms are {FORMS}")


def _exponent(text: str, number: float) -> int:
    """The logarithm of a power of two."""
    mantissa, exponent = math.frexp(number) if math.isfinite(number) else (0.0, 0)
    if mantissa != 0.5:
        raise UsageError(
            f"{text!r}: {number:g} is no power of two, so that float32 rounds the numbers of this"
            " domain, and sums of them too"
        )
    return exponent - 1
