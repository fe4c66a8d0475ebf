"""Reads the options of a quantizer one by one, each with its type and range."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

import numpy as np

from qconvert.frontend.quantizer_text import QuantizerError
from qconvert.ir.quantizers import Alpha, Axes, FrozenScale

#: QKeras computes ``2**n`` in int32. 2**31 wraps to -2**31, by which it multiplies and divides;
#: 2**32 wraps to 0.
LARGEST_POWER: Final = 31
LAST_AXIS: Final = 7
_LOG_ROUNDINGS: Final = ("rnd", "floor")
_ENDS: Final = ("min", "max")
_LARGEST: Final = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Options:
    """The options that a file gives for one quantizer of class ``name``."""

    name: str
    values: Mapping[str, object]

    def error(self, reason: str, code: str = "QC403") -> QuantizerError:
        """An error that names the class."""
        return QuantizerError(code, f"{self.name}: {reason}")

    def integer(self, key: str, default: int, lo: int, hi: int) -> int:
        """A whole number from ``lo`` to ``hi``."""
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(f"{key}={value!r} is not a whole number")
        if not lo <= value <= hi:
            raise self.error(f"{key}={value} is outside {lo}..{hi}", "QC404")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or False, which QKeras also writes as 1 and 0."""
        value = self.values.get(key, default)
        if not isinstance(value, int | float) or value not in (0, 1):
            raise self.error(f"{key}={value!r} is not a flag")
        return bool(value)

    def number(self, key: str, default: float) -> float:
        """A finite number in the range of float32."""
        return self._finite(key, self.values.get(key, default))

    def optional_number(self, key: str) -> float | None:
        """A finite number or None, the default."""
        value = self.values.get(key)
        return None if value is None else self._finite(key, value)

    def slope(self) -> float:
        """``negative_slope``: 0 or a power of two, as QKeras asserts."""
        value = self.number("negative_slope", 0.0)
        if value < 0 or (value > 0 and math.frexp(value)[0] != 0.5):
            raise self.error(f"negative_slope={value} is neither 0 nor a power of two", "QC404")
        return value

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        """One of the texts in ``choices``."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or value not in choices:
            raise self.error(f"{key}={value!r} is not one of {', '.join(choices)}")
        return value

    def alpha(self) -> Alpha:
        """None, a number, 'auto' or 'auto_po2'."""
        value = self.values.get("alpha")
        match value:
            case None | "auto" | "auto_po2":
                return value
            case str():
                raise self.error(f"alpha={value!r} is not a number, 'auto' or 'auto_po2'")
            case bool():
                return float(value)
            case _:
                return self._finite("alpha", value)

    def alpha_or_list(self) -> Alpha:
        """As `alpha`, or a list or NumPy array of numbers, one a channel."""
        value = _without_wrapping(self.values.get("alpha"))
        if not isinstance(value, list | tuple):
            return replace(self, values={**self.values, "alpha": value}).alpha()
        if not value:
            raise self.error("alpha is an empty list")
        return tuple(self._finite("alpha", number) for number in value)

    def axes(self, key: str, lo: int, hi: int) -> Axes | None:
        """A number from *lo* to *hi* for an axis, a list of them, or None."""
        value = self.values.get(key)
        if not isinstance(value, list | tuple):
            return self.optional_integer(key, lo, hi)
        if not value:
            raise self.error(f"{key} is an empty list")
        return tuple(replace(self, values={key: each}).integer(key, 0, lo, hi) for each in value)

    def optional_integer(self, key: str, lo: int, hi: int) -> int | None:
        """A whole number from *lo* to *hi*, or None, the default."""
        return None if self.values.get(key) is None else self.integer(key, 0, lo, hi)

    def noise(self) -> float:
        """``qnoise_factor``; with ``use_variables``, QKeras rounds it to float32 first."""
        factor = self.number("qnoise_factor", 1.0)
        return float(np.float32(factor)) if self.flag("use_variables", False) else factor

    def power(self, *, sign: bool) -> int:
        """The bits of a quantizer that computes with ``2**bits``, without the one of a sign."""
        bits = self.integer("bits", 8, 1, 32)
        if bits - sign > LARGEST_POWER:
            reason = f"bits={bits} are NaN in QKeras, whose 2**{bits - sign} is 0 in int32"
            raise self.error(reason, "QC404")
        return bits

    def max_value(self) -> float | None:
        """A positive number or None, the default."""
        value = self.optional_number("max_value")
        if value is not None and value <= 0:
            raise self.error(f"max_value={value} is not positive", "QC404")
        return value

    def log2_rounding(self) -> Literal["rnd", "floor"]:
        """How exponents are rounded."""
        found = self.choice("log2_rounding", "rnd", _LOG_ROUNDINGS)
        return cast(Literal["rnd", "floor"], found)

    def sharing(self) -> tuple[Axes | None, int | None, int | None]:
        """Master's groups of elements with one scale, and the range of the scales' exponents."""
        groups = self.axes("elements_per_scale", 1, 1 << 30)
        axis = self.axes("scale_axis", 0, LAST_AXIS)
        if groups is not None and axis is None:
            raise self.error("elements_per_scale needs a scale_axis, or QKeras fails")
        several = len(groups) if isinstance(groups, tuple) else None
        if several is not None and several != (len(axis) if isinstance(axis, tuple) else 0):
            raise self.error("elements_per_scale and scale_axis are not lists of one length")
        ends = (self.optional_integer(f"{end}_po2_exponent", -126, 127) for end in _ENDS)
        lowest, highest = ends
        return groups, lowest, highest

    def read_inert(self) -> None:
        """Options that change no number at inference."""
        self.flag("use_stochastic_rounding", False)
        self.flag("use_variables", False)
        if not isinstance(self.values.get("var_name"), str | None):
            raise self.error("var_name is not a text")

    def read_sampling(self, temperature: float) -> None:
        """Options of what is drawn at random in training."""
        self.number("temperature", temperature)
        self.flag("use_real_sigmoid", True)

    def frozen_scale(self) -> FrozenScale | None:
        """``post_training_scale``: a number or an array of positive numbers, or None."""
        value = _unwrapped(self.values.get("post_training_scale"))
        if value is None:
            return None
        try:
            array = np.array(value, np.float32)
        except (TypeError, ValueError) as error:
            raise self.error("post_training_scale is no array of numbers") from error
        if array.size == 0 or not (np.isfinite(array) & (array > 0)).all():
            raise self.error("post_training_scale has numbers that are not positive", "QC404")
        return FrozenScale(tuple(array.ravel().tolist()), array.shape)

    def _finite(self, key: str, value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.error(f"{key}={value!r} is not a number")
        if not abs(value) <= _LARGEST:
            raise self.error(f"{key}={value} is no finite float32 number", "QC404")
        return float(value)


def _without_wrapping(value: object) -> object:
    """The numbers of an array as Keras saves it, without the axes of length 1 before the last.

    An older form of Keras's has the nested lists alone.
    """
    numbers = _unwrapped(value)
    while isinstance(numbers, list) and len(numbers) == 1 and isinstance(numbers[0], list):
        numbers = numbers[0]
    return numbers


def _unwrapped(value: object) -> object:
    """The nested lists of an array as Keras saves it; anything else as it is."""
    match value:
        case {"class_name": "__numpy__", "config": {"value": numbers}}:
            return numbers
        case _:
            return value
