"""What it costs that an input is divided by a number which is no power of two."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import onnx

from qconvert.checking.deployed.by_layer import off_integers
from qconvert.errors import UsageError
from qconvert.ir import Grid, Quotients
from qconvert.report.escape import printable
from qconvert.runners.interface import InputDomain

Domains: TypeAlias = Mapping[str, InputDomain]


def division_lines(
    divided: onnx.ModelProto, domains: Domains, export: Callable[[Domains], onnx.ModelProto]
) -> Iterator[str]:
    """A line if integer kernels could run layers of *divided* with powers of two as divisors.

    *export* writes the same graph with other *domains*: what it makes of these is looked at.
    """
    powers = {x: _with_power(y) for x, y in domains.items() if isinstance(y, Quotients)}
    try:
        freed = off_integers(divided) - off_integers(export({**domains, **powers}))
    except UsageError:
        # Codes of 16 bits, of which older opsets have quotients alone.
        return
    if freed:
        layers = ", ".join(sorted(map(printable, freed)))
        options = " ".join(_option(name, grid) for name, grid in powers.items())
        yield (
            f"in float, because an input is divided by no power of two: {layers}; on integers, if "
            f"the pipeline divides so instead: {printable(options)}"
        )


def _with_power(domain: Quotients) -> Grid:
    """The same codes, divided by the next power of two."""
    return Grid(domain.lo, domain.hi, -(domain.divisor - 1).bit_length())


def _option(name: str, grid: Grid) -> str:
    bits = (grid.hi - grid.lo).bit_length()
    kind = f"int{bits}" if grid.lo < 0 else f"uint{bits}"
    return f"--domain {shlex.quote(f'{name}={kind}/{2**-grid.exp}')}"
