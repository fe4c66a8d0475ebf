"""What the isolated reader says of a file, checked: names, shapes, types, sizes and places."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final, NoReturn

import numpy as np

from qconvert.modelfile.contents import ByName, ByPosition, Contents
from qconvert.modelfile.isolated import Answer, confined, started
from qconvert.modelfile.limits import Limits
from qconvert.modelfile.malformed import MalformedError
from qconvert.modelfile.model import Array, StoredWeight
from qconvert.modelfile.source import Buffer, SourceFile, frozen, nameless_file
from qconvert.strict_json import Json

_KINDS: Final = ("f2", "f4", "f8", *(f"{sign}{size}" for sign in "iu" for size in (1, 2, 4, 8)))
_TYPES: Final = frozenset(f"{order}{kind}" for order in "<>|" for kind in _KINDS)
_MAX_AXES: Final = 32


@contextmanager
def reading(source: SourceFile, what: str, limits: Limits) -> Iterator[Callable[[], Contents]]:
    """Begin to read an ``"hdf5"`` file or an ``"archive"``; what is given waits for the contents.

    It raises `MalformedError`, also if another process was crashed by the file, and `LimitError`.
    """
    with nameless_file() as results:
        files = (source.descriptor, results.fileno())
        with started(files, limits) as reader:
            request = {"do": what, "file": files[0], "results": files[1], "limits": asdict(limits)}
            reader.ask({**request, **confined(limits)})

            def contents() -> Contents:
                answer = reader.answer()
                return checked(answer, source.data, frozen(results), limits)

            yield contents


def checked(answer: Answer, own: Buffer, results: Buffer, limits: Limits) -> Contents:
    """The *answer* as data, of the bytes that it is about: the file's *own*, and the *results*.

    `MalformedError` for whatever does not fit them.
    """
    return _Checking(own, results, limits).contents(answer)


@dataclass(slots=True, eq=False)
class _Checking:
    """The bytes that an answer is about, and how many of them its arrays have taken."""

    own: Buffer
    results: Buffer
    limits: Limits
    total: int = 0

    def contents(self, answer: Answer) -> Contents:
        """The answer as data."""
        config, metadata = answer.get("config"), answer.get("metadata")
        return Contents(
            config=None if config is None else bytes(self._bytes(config)),
            stored=self._stored(answer),
            metadata=None if metadata is None else bytes(self._bytes(metadata)),
            of_file=_writers(answer.get("of_file")),
            of_weights=_writers(answer.get("of_weights")),
            group="model_weights" if answer.get("group") else "",
            unused=tuple(_text(path) for path in _list(answer.get("unused"))),
        )

    def _stored(self, answer: Answer) -> ByName | ByPosition | None:
        if "by_name" in answer:
            pairs = (_pair(layer) for layer in _list(answer["by_name"]))
            return ByName({_text(name): self._variables(name, listed) for name, listed in pairs})
        if "by_position" in answer:
            found = (_pair(one) for one in _list(answer["by_position"]))
            arrays = {_path(path): self._array(place) for path, place in found}
            return ByPosition(arrays, tuple(_path(one) for one in _list(answer.get("groups"))))
        return None

    def _variables(self, layer: Json, listed: Json) -> tuple[StoredWeight, ...]:
        pairs = (_pair(one) for one in _list(listed))
        return tuple(StoredWeight(_text(name), self._array(place)) for name, place in pairs)

    def _array(self, place: Json) -> Array:
        match place:
            case {"dtype": str(dtype), "shape": list(listed)} if dtype in _TYPES:
                shape = tuple(_size(length) for length in listed)
            case _:
                _nonsense("an array")
        kind, found = np.dtype(dtype), self._bytes(place)
        length = math.prod(shape) * kind.itemsize
        self.total += length
        if len(found) != length or len(shape) > _MAX_AXES or self.total > self.limits.total_bytes:
            _nonsense("an array of another size")
        if not length:
            return _empty(shape, kind)
        value = np.require(np.frombuffer(found, kind).reshape(shape), requirements="A")
        return value.astype(kind.newbyteorder("="), copy=False)

    def _bytes(self, place: Json) -> memoryview:
        match place:
            case {"own": bool(own), "at": int(at), "length": int(length)}:
                found = memoryview(self.own if own else self.results)
            case _:
                _nonsense("a place")
        if not 0 <= at <= at + length <= len(found):
            _nonsense("a place outside of the file")
        return found[at : at + length]


def _empty(shape: tuple[int, ...], kind: np.dtype[Any]) -> Array:
    """No numbers, of axes that may be longer than NumPy's."""
    try:
        return np.empty(shape, kind.newbyteorder("="))
    except (OverflowError, ValueError):
        raise MalformedError("QC501", f"an array of shape {shape} can be of no weight") from None


def _writers(value: Json) -> dict[str, str]:
    match value:
        case dict():
            return {name: _text(text) for name, text in value.items()}
        case _:
            return {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else _nonsense("no list")


def _pair(value: Json) -> tuple[Json, Json]:
    match value:
        case [one, other]:
            return one, other
        case _:
            return _nonsense("no pair")


def _path(value: Json) -> tuple[str, ...]:
    return tuple(_text(part) for part in _list(value)) or _nonsense("no path")


def _text(value: Json) -> str:
    return value if isinstance(value, str) else _nonsense("no text")


def _size(value: Json) -> int:
    return value if type(value) is int and value >= 0 else _nonsense("no size")


def _nonsense(what: str) -> NoReturn:
    raise MalformedError("QC108", f"the isolated reader answered nonsense: {what}")
