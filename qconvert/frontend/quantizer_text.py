"""The text form of a quantizer, ``"quantized_bits(4,0,alpha='auto')"``, read without evaluating it.

The grammar is a strict part of what QKeras's ``safe_eval`` takes; where that one guesses
(text after the bracket, stray brackets, missing quotes), this one refuses. ``None`` and lists,
``[0.5 0.25]`` with blanks between, are master's: 0.9.0 makes texts of them and fails. A call as
an argument, ``"quantized_relu(quantized_bits(8),0)"``, stands in real models: QKeras then drops
all arguments and computes with the defaults, and so does this reader.
"""

import math
import re
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

#: A literal argument.
Literal: TypeAlias = int | float | bool | str | tuple[int | float, ...] | None

LONGEST: Final = 512
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_KEYWORD: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,63}) *= *")
_VALUE: Final = re.compile(
    r"(?P<bool>True|False)(?![A-Za-z0-9_.])"
    r"|(?P<none>None)(?![A-Za-z0-9_.])"
    r"|\[(?P<list>[0-9.eE+-]+(?: +[0-9.eE+-]+)+)\]"
    r"|(?P<float>[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][+-]?[0-9]+)?)(?![A-Za-z0-9_.])"
    r"|(?P<int>[+-]?[0-9]{1,18})(?![A-Za-z0-9_.])"
    r"|'(?P<single>[A-Za-z0-9_]*)'"
    r'|"(?P<double>[A-Za-z0-9_]*)"'
)
_DIGITS: Final = 18
_LONG: Final = re.compile(rf"[+-]?[0-9]{{{_DIGITS + 1},}}(?![A-Za-z0-9_.])")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,18}|[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_INNER_CALL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\([^()]*\)")
_BLANKS: Final = re.compile(" *")


class QuantizerError(ValueError):
    """A quantizer or activation that is malformed or not supported; the text says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Call:
    """A name with its literal arguments; ``called`` is whether there were brackets at all."""

    name: str
    args: tuple[Literal, ...]
    kwargs: dict[str, Literal]
    called: bool


def drops_arguments(text: str) -> bool:
    """Whether there is a call among the arguments, for which QKeras drops them all."""
    return text.count("(") > 1


def parse(text: str) -> Call:
    """Read ``name``, or ``name(arg, ..., key=arg, ...)``; `QuantizerError` for anything else."""
    if len(text) > LONGEST:
        raise QuantizerError(
            "QC401", f"a quantizer of {len(text)} characters; at most {LONGEST} are read"
        )
    if drops_arguments(text):
        return replace(_outer_call(text), args=(), kwargs={}, called=False)
    name = _NAME.match(text)
    if name is None:
        raise QuantizerError("QC401", f"{text!r} does not begin with a name")
    if name.end() == len(text):
        return Call(name.group(), (), {}, called=False)
    if text[name.end()] != "(":
        raise _error(text, name.end(), "expected '('")
    return _Arguments(text, name.end() + 1).read(name.group())


def _outer_call(text: str) -> Call:
    """A call with calls among its arguments, each of them well-formed."""
    inner = list(_INNER_CALL.finditer(text))
    if not inner or any(call.start() == 0 for call in inner):
        raise QuantizerError("QC401", f"{text!r} has a second '(' that belongs to no argument")
    for call in inner:
        parse(call.group())
    return parse(_INNER_CALL.sub("0", text))


def _error(text: str, at: int, reason: str) -> QuantizerError:
    return QuantizerError("QC401", f"{text!r}, character {at + 1}: {reason}")


class _Arguments:
    """A cursor over the text between the brackets."""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self._at = at
        self._args: list[Literal] = []
        self._kwargs: dict[str, Literal] = {}

    def read(self, name: str) -> Call:
        """Everything up to the end of the text."""
        self._skip_blanks()
        if not self._take(")"):
            self._argument()
            while self._take(","):
                self._skip_blanks()
                self._argument()
            if not self._take(")"):
                raise self._error("expected ',' or ')'")
        if self._at != len(self._text):
            raise self._error("text after the closing bracket")
        return Call(name, tuple(self._args), self._kwargs, called=True)

    def _argument(self) -> None:
        key = _KEYWORD.match(self._text, self._at)
        if key is None:
            if self._kwargs:
                raise self._error("a positional argument after a named one")
            self._args.append(self._value())
            self._skip_blanks()
            return
        if key.group(1) in self._kwargs:
            raise self._error(f"{key.group(1)} is given twice")
        self._at = key.end()
        value = self._value()
        self._kwargs[key.group(1)] = value
        # safe_eval keeps blanks behind a named text or flag and then reads another value.
        if isinstance(value, int | float) and not isinstance(value, bool):
            self._skip_blanks()

    def _value(self) -> Literal:
        found = _VALUE.match(self._text, self._at)
        if found is None:
            raise self._error(self._hint())
        value = self._list(found["list"]) if found["list"] else _literal(found)
        if isinstance(value, float) and not math.isfinite(value):
            raise self._error("a number that is not finite")
        self._at = found.end()
        return value

    def _list(self, text: str) -> Literal:
        words = text.split()
        if not all(_NUMBER.fullmatch(word) for word in words):
            raise self._error("a list of anything but numbers")
        return tuple(float(word) if word.strip("+-0123456789") else int(word) for word in words)

    def _hint(self) -> str:
        word = _NAME.match(self._text, self._at)
        if _LONG.match(self._text, self._at):
            return f"a whole number of more than {_DIGITS} digits"
        if word is None:
            return "expected a number, True, False or a quoted word"
        return f"{word.group()} without quotes"

    def _take(self, character: str) -> bool:
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        return True

    def _skip_blanks(self) -> None:
        blanks = _BLANKS.match(self._text, self._at)
        self._at = blanks.end() if blanks else self._at

    def _error(self, reason: str) -> QuantizerError:
        return _error(self._text, self._at, reason)


def _literal(found: re.Match[str]) -> Literal:
    match found.lastgroup:
        case "bool":
            return found.group() == "True"
        case "none":
            return None
        case "int":
            return int(found.group())
        case "float":
            return float(found.group())
        case _:
            return found.group()[1:-1]
