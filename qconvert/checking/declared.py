"""What the user says that a model's inputs can be."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from qconvert.emit.metadata import ModelMetadata
from qconvert.errors import UsageError, similar
from qconvert.ir import Graph, Grid, Quotients
from qconvert.runners.interface import InputDomain, domain_of_codes

#: ``uint8/256``: the numbers of an integer type, divided.
_INTEGERS: Final = re.compile(r"(u?)int(\d{1,2})(?:/(\d+))?")
#: ``grid(step, lo, hi)``: multiples of a step, from the first to the last number.
_GRID: Final = re.compile(r"grid\(([^,()]+),([^,()]+),([^,()]+)\)")
#: Types that float32 holds.
_MOST_BITS: Final = 24
#: The numbers above 0 that float32 holds.
_SMALLEST: Final = 2.0**-149
_LARGEST: Final = 2.0**128 - 2.0**104
_MOST_DIVISOR: Final = 1 << 149
FORMS: Final = "uint8/256, uint8/255, int16, grid(STEP,LO,HI), float"


def read_domains(graph: Graph, texts: Sequence[str]) -> dict[str, InputDomain]:
    """The domains of inputs from texts like ``image=uint8/256``; without a name, of all inputs.

    A single text is one of them. ``float`` declares nothing. `UsageError` for unknown names and
    what is no grid.
    """
    names = [source.name for source in graph.inputs]
    found: dict[str, str] = {}
    for text in [texts] if isinstance(texts, str) else texts:
        name, given, what = text.partition("=")
        if given and name not in names:
            raise UsageError(
                "QC011",
                f"{text!r} declares no input of the model, which are {names}{similar(name, names)}",
            )
        for each in [name] if given else names:
            if each in found:
                raise UsageError("QC011", f"the input {each!r} has two domains")
            found[each] = (what if given else text).replace(" ", "")
    return {name: _domain(what) for name, what in found.items() if what != "float"}


def described(name: str, domain: InputDomain) -> str:
    """A declared domain in words."""
    if isinstance(domain, Quotients):
        return f"{name} is an integer from {domain.lo} to {domain.hi}, divided by {domain.divisor}"
    lo, hi = domain.lo * domain.step, domain.hi * domain.step
    return f"{name} is a multiple of {domain.step:g} from {lo:g} to {hi:g}"


def with_codes_of(
    metadata: ModelMetadata | None, declared: Mapping[str, InputDomain]
) -> dict[str, InputDomain]:
    """The domains of inputs, those of a file's integers among them.

    `UsageError` if an input is declared to be something else than the file takes.
    """
    found = dict(declared)
    for each in metadata.inputs if metadata else ():
        if each.codes is None:
            continue
        of_codes = domain_of_codes(each.codes)
        if found.setdefault(each.input, of_codes) != of_codes:
            raise UsageError(
                "QC011",
                f"the ONNX file takes codes: {described(each.input, of_codes)}; declared is that "
                f"{described(each.input, found[each.input])}",
            )
    return found


def _domain(text: str) -> InputDomain:
    if match := _INTEGERS.fullmatch(text):
        unsigned, bits, divisor = match[1] == "u", int(match[2]), _divisor(text, match[3] or "1")
        if not 1 <= bits <= _MOST_BITS:
            raise UsageError(
                "QC010", f"{text!r}: float32 holds integers of 1 to {_MOST_BITS} bits alone"
            )
        half = 0 if unsigned else 1 << (bits - 1)
        first, last = -half, (1 << bits) - 1 - half
        power_of_two = divisor & (divisor - 1) == 0
        exp = 1 - divisor.bit_length()
        return Grid(first, last, exp) if power_of_two else Quotients(first, last, divisor)
    if match := _GRID.fullmatch(text):
        try:
            step, lo, hi = (float(number) for number in match.groups())
        except ValueError:
            raise UsageError("QC010", f"{text!r}: grid takes three numbers") from None
        exp = _exponent(text, step)
        if step < _SMALLEST or not all(abs(number) <= _LARGEST for number in (step, lo, hi)):
            raise UsageError("QC010", f"{text!r}: float32 holds no numbers that small or large")
        ends = math.ldexp(lo, -exp), math.ldexp(hi, -exp)
        if not all(end.is_integer() and abs(end) <= 1 << _MOST_BITS for end in ends) or lo > hi:
            raise UsageError(
                "QC010", f"{text!r}: both ends have to be multiples of the step, in order"
            )
        return Grid(int(ends[0]), int(ends[1]), exp)
    raise UsageError("QC010", f"{text!r} is no domain; the forms are {FORMS}")


def _divisor(text: str, digits: str) -> int:
    # Python reads no number of thousands of digits, of which a few tell that it is too large.
    divisor = int(digits.lstrip("0")[: len(str(_MOST_DIVISOR)) + 1] or 0)
    if not divisor:
        raise UsageError("QC010", f"{text!r} divides by 0")
    if divisor > _MOST_DIVISOR:
        raise UsageError("QC010", f"{text!r} divides by more than 2**149, beyond float32")
    return divisor


def _exponent(text: str, number: float) -> int:
    """The logarithm of a power of two."""
    mantissa, exponent = math.frexp(number) if math.isfinite(number) else (0.0, 0)
    if mantissa != 0.5:
        raise UsageError(
            "QC011",
            f"{text!r}: {number:g} is no power of two, so that float32 rounds the numbers of this"
            " domain, and sums of them too",
        )
    return exponent - 1
