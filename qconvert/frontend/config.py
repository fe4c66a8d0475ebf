"""A strict reader of one layer's configuration: what nobody reads is an error."""

import math
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeVar

from qconvert.frontend import quantizer_notes, quantizers
from qconvert.frontend.flavour import Flavour
from qconvert.frontend.problems import OPTION, Malformed, Reason, Unsupported, short
from qconvert.frontend.quantizer_text import QuantizerError
from qconvert.frontend.references import Ref
from qconvert.ir.ops import Op
from qconvert.ir.quantizers import Quantizer

T = TypeVar("T")

#: Of every layer, and without effect on what it computes from given inputs and weights.
_INERT_KEYS: Final = frozenset({"batch_input_shape", "dtype", "name", "trainable"})
_INERT_SUFFIXES: Final = ("_initializer", "_regularizer", "_constraint")


class _Required:
    """Marks an option that has no default."""


_REQUIRED: Final = _Required()


class Config:
    """The options of one layer.

    Getters never raise: they note what is wrong and return something harmless, so that `done`
    can report all problems of the layer at once. With *freezing*, scales of activations may
    depend on the batch.
    """

    def __init__(
        self,
        values: Mapping[str, object],
        flavour: Flavour = Flavour.QKERAS,
        *,
        freezing: bool = False,
    ) -> None:
        self.flavour = flavour
        self._freezing = freezing
        self._notes: list[str] = []
        self._values = values
        self._unread = {key for key in values if not _is_inert(key)}
        self._malformed: list[str] = []
        self._unsupported: list[Reason] = []

    def inside(self, values: Mapping[str, object]) -> "Config":
        """The options of a layer in this one, which shares its notes."""
        inner = Config(values, self.flavour, freezing=self._freezing)
        inner._notes = self._notes
        return inner

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user has to learn of, each text once."""
        return tuple(dict.fromkeys(self._notes))

    def note(self, text: str) -> None:
        """Tell the user of something unexpected that QKeras does, and the ONNX file as well."""
        self._notes.append(text)

    def has(self, key: str) -> bool:
        """Whether the file has the option."""
        return key in self._values

    def raw(self, key: str, default: object = None) -> object:
        """The option as it is in the file."""
        self._unread.discard(key)
        return self._values.get(key, default)

    def integer(self, key: str, *, minimum: int = 1, default: int | _Required = _REQUIRED) -> int:
        """A whole number, not below *minimum*."""
        fallback = 1 if isinstance(default, _Required) else default
        return self._read(key, default, fallback, lambda v: _integer(v, minimum))

    def integers(
        self,
        key: str,
        length: int,
        *,
        minimum: int = 1,
        default: int | _Required = _REQUIRED,
    ) -> tuple[int, ...]:
        """*length* whole numbers; a single one in the file stands for all."""
        fallback = (1 if isinstance(default, _Required) else default,) * length
        given = default if isinstance(default, _Required) else fallback
        return self._read(key, given, fallback, lambda v: _integers(v, length, minimum))

    def pairs(self, key: str, length: int) -> tuple[tuple[int, int], ...]:
        """(before, after) for *length* axes, or for one axis as a bare pair."""
        value = self.raw(key)
        rows = [value] if length == 1 else value
        if isinstance(rows, list | tuple) and len(rows) == length:
            try:
                return tuple((a, b) for a, b in (_integers(row, 2, 0) for row in rows))
            except ValueError:
                pass
        self._malformed.append(f"{key}={short(value)} is not {length} pair(s) of whole numbers")
        return ((0, 0),) * length

    def flag(self, key: str, *, default: bool | _Required = _REQUIRED) -> bool:
        """True or false, also written as 1 or 0."""
        return self._read(key, default, False, _flag)

    def number(self, key: str, *, default: float | _Required = _REQUIRED) -> float:
        """A finite number."""
        return self._read(key, default, 0.0, _number)

    def text(self, key: str) -> str:
        """A text."""
        return self._read(key, _REQUIRED, "", _text)

    def choice(self, key: str, *allowed: str, default: str | _Required = _REQUIRED) -> str:
        """One of *allowed*, in any case; another text is not supported."""
        value = self._read(key, default, allowed[0], _text).lower()
        if value in allowed:
            return value
        self.refuse(f"{key}={short(value)} (supported: {', '.join(allowed)})")
        return allowed[0]

    def quantizer(self, key: str, role: Literal["kernel", "other"]) -> Quantizer | None:
        """The quantizer of a weight; ``kernel`` for those that Keras scales by themselves."""
        value = self.raw(key)
        try:
            result = quantizers.quantizer(value, role, self.flavour)
        except QuantizerError as error:
            self.refuse(f"{key}: {error}", error.code)
            return None
        self._notes.extend(f"{key}: {n}" for n in quantizer_notes.of_quantizer(value, result))
        return result

    def activation(self, key: str, *, qkeras: bool, rank: int) -> tuple[Op, ...]:
        """The ops of an activation on a tensor of *rank* axes."""
        value = self.raw(key)
        try:
            ops = quantizers.activation(
                value, qkeras=qkeras, rank=rank, flavour=self.flavour, freezing=self._freezing
            )
        except QuantizerError as error:
            self.refuse(f"{key}: {error}", error.code)
            return ()
        notes = quantizer_notes.of_activation(value, ops, qkeras=qkeras, flavour=self.flavour)
        self._notes.extend(f"{key}: {n}" for n in notes)
        return ops

    def references(self) -> tuple[str, ...]:
        """The options that stand for tensors, in order."""
        found = tuple(key for key, value in self._values.items() if isinstance(value, Ref))
        self._unread.difference_update(found)
        return found

    def ignore(self, *keys: str) -> None:
        """Accept options that have no effect at inference, whatever their values."""
        self._unread.difference_update(keys)

    def expect(self, key: str, *inert: object) -> None:
        """Accept an option at the values at which it has no effect, or absent."""
        value = self.raw(key, inert[0])
        if value not in inert:
            self.refuse(f"{key}={short(value)} is not supported")

    def refuse(self, reason: str, code: str = OPTION) -> None:
        """Note that the layer cannot be converted."""
        self._unsupported.append(Reason(reason, code))

    def reject(self, reason: str) -> None:
        """Note that no such layer can exist."""
        self._malformed.append(reason)

    def done(self) -> None:
        """Raise what was noted, and an error for every option that nobody asked for."""
        self._check_dtype()
        unknown = [
            Reason(f"unknown option {key}={short(self._values[key])}", "QC323")
            for key in sorted(self._unread)
        ]
        if self._malformed:
            raise Malformed("; ".join(self._malformed), also=(*self._unsupported, *unknown))
        if self._unsupported or unknown:
            raise Unsupported(*self._unsupported, *unknown)

    @property
    def refused(self) -> tuple[Reason, ...]:
        """Why the layer cannot be converted, as far as it was read."""
        return tuple(self._unsupported)

    def _check_dtype(self) -> None:
        dtype = self._values.get("dtype", "float32")
        if isinstance(dtype, dict) and isinstance(dtype.get("config"), dict):
            dtype = dtype["config"].get("name")
        if dtype not in ("float32", None):
            self.refuse(f"dtype={short(dtype)} (supported: float32)", "QC327")

    def _read(
        self, key: str, default: T | _Required, fallback: T, convert: Callable[[object], T]
    ) -> T:
        self._unread.discard(key)
        if key not in self._values:
            if not isinstance(default, _Required):
                return default
            self._malformed.append(f"{key} is missing")
            return fallback
        try:
            return convert(self._values[key])
        except ValueError as error:
            self._malformed.append(f"{key}={short(self._values[key])} is not {error}")
            return fallback


def _is_inert(key: str) -> bool:
    return key in _INERT_KEYS or key.endswith(_INERT_SUFFIXES)


def _integer(value: object, minimum: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a whole number")
    if value < minimum:
        raise ValueError(f"at least {minimum}")
    return value


def _integers(value: object, length: int, minimum: int) -> tuple[int, ...]:
    many = value if isinstance(value, list | tuple) else [value] * length
    if len(many) != length:
        raise ValueError(f"{length} whole number(s)")
    return tuple(_integer(one, minimum) for one in many)


def _flag(value: object) -> bool:
    if value is True or value is False or (type(value) is int and value in (0, 1)):
        return bool(value)
    raise ValueError("true or false")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a finite number")
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text")
    return value
