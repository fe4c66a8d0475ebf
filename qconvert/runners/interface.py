"""What a file takes and returns as integers, and the numbers that these stand for."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from qconvert.emit.metadata import InputTensor, InterfaceCodes
from qconvert.errors import WitnessError
from qconvert.ir import F32, Grid, Quotients

Array: TypeAlias = npt.NDArray[Any]
#: What an input can be.
InputDomain: TypeAlias = Grid | Quotients


def numbers(domain: InputDomain, codes: npt.NDArray[np.floating]) -> F32:
    """The elements of *domain* that codes stand for."""
    if isinstance(domain, Quotients):
        result: F32 = codes.astype(np.float32, copy=False) / np.float32(domain.divisor)
        return result
    exact: npt.NDArray[np.floating] = np.ldexp(codes, domain.exp)
    return exact.astype(np.float32, copy=False)


def nearest(domain: InputDomain, x: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """The codes of the elements of *domain* that are nearest to *x*."""
    exact = x.astype(np.float64)
    if isinstance(domain, Quotients):
        codes: npt.NDArray[np.float64] = np.rint(exact * domain.divisor)
    else:
        codes = np.rint(np.ldexp(exact, -domain.exp))
    return np.clip(codes, domain.lo, domain.hi)


def domain_of_codes(codes: InterfaceCodes) -> InputDomain:
    """The numbers that the codes from ``lo`` to ``hi`` stand for."""
    lo, hi = codes.lo - codes.zero_point, codes.hi - codes.zero_point
    if codes.divisor == 1:
        return Grid(lo, hi, codes.exp)
    return Quotients(lo, hi, codes.divisor)


def fed(inputs: Iterable[InputTensor], values: Mapping[str, F32]) -> dict[str, Array]:
    """What the tensors of a file take for the numbers *values*, where these are known by names.

    `WitnessError` for numbers that no code stands for.
    """
    known = {each.input: each for each in inputs}
    result: dict[str, Array] = {}
    for name, value in values.items():
        place = known.get(name, InputTensor(name, name))
        result[place.tensor] = value if place.codes is None else _codes(name, place.codes, value)
    return result


def floats(codes: InterfaceCodes, array: Array) -> F32:
    """The numbers that an output's codes stand for."""
    return numbers(domain_of_codes(codes), array.astype(np.float64) - codes.zero_point)


def _codes(name: str, codes: InterfaceCodes, value: F32) -> Array:
    domain = domain_of_codes(codes)
    steps = nearest(domain, value)
    if not np.array_equal(numbers(domain, steps), value):
        raise WitnessError(
            "QC707", f"the file takes {name!r} as codes, and some samples are no such number"
        )
    return np.ascontiguousarray((steps + codes.zero_point).astype(codes.type))
