"""How configurations refer to tensors: ``["conv1", 0, 0]`` and newer forms of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from qconvert.frontend.problems import Malformed, short

#: A positional argument behind the first, with its number.
ARGUMENT: Final = "argument "
_CONSTANT: Final = "_CONSTANT_VALUE"
#: What Keras 3's layers call their first argument.
_FIRST: Final = ("inputs", "query", "sequences")
#: What recurrent layers call the states that they start from.
_STATES: Final = "initial_state"


@dataclass(frozen=True, slots=True)
class Ref:
    """The *tensor*-th result of the *call*-th call of a layer."""

    layer: str
    call: int
    tensor: int


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call: its tensors, other arguments (a `Ref` among them stands for a tensor too).

    ``constant`` is a first argument that is no tensor.
    """

    first: tuple[Ref, ...]
    arguments: Mapping[str, object] = field(default_factory=dict)
    constant: object = None

    @property
    def inputs(self) -> tuple[Ref, ...]:
        """All tensors, those of the first argument first."""
        return (*self.first, *(v for v in self.arguments.values() if isinstance(v, Ref)))


def read_invocation(name: str, node: object, offsets: Mapping[str, int]) -> Invocation:
    """Read one of a layer's ``inbound_nodes``; *offsets* are the first call numbers of layers."""
    try:
        if isinstance(node, dict):
            return _keras3(node, offsets)
        rows = list(_rows(node))
        arguments = _arguments(rows, offsets)
        constants = [row[2] for row in rows if row[0] == _CONSTANT]
        refs = tuple(_ref(row, offsets) for row in rows if row[0] != _CONSTANT)
        if len(constants) > 1 or (constants and refs):
            raise Malformed("several constants", "QC314")
        return Invocation(refs, arguments, constants[0] if constants else None)
    except Malformed as error:
        how = " is called in an unknown way" if error.code == "QC314" else ""
        raise Malformed(f"the layer {name!r}{how}: {error}", error.code) from None


def flat_references(value: object, offsets: Mapping[str, int]) -> tuple[Ref, ...]:
    """The tensors of ``input_layers`` and ``output_layers``, flattened as Keras does."""
    if isinstance(value, dict):
        return tuple(ref for key in sorted(value) for ref in flat_references(value[key], offsets))
    return tuple(_ref(row, offsets) for row in _rows(value))


def _rows(node: object) -> Iterator[list[object]]:
    """Innermost lists, which start with the name of a layer."""
    if not isinstance(node, list | tuple):
        raise Malformed(short(node), "QC314")
    if node and isinstance(node[0], str):
        if not 3 <= len(node) <= 4:
            raise Malformed(short(node), "QC314")
        yield list(node)
        return
    for row in node:
        yield from _rows(row)


def _ref(row: list[object], offsets: Mapping[str, int]) -> Ref:
    layer, call, tensor = row[:3]
    if not isinstance(layer, str) or type(call) is not int or type(tensor) is not int:
        raise Malformed(short(row), "QC314")
    # Whether there is such a layer, `call_order` says.
    return Ref(layer, call - offsets.get(layer, 0), tensor)


def _arguments(rows: list[list[object]], offsets: Mapping[str, int]) -> dict[str, object]:
    found = [row[3] for row in rows if len(row) == 4 and row[3]]
    if any(one != found[0] for one in found):
        raise Malformed("its tensors come with different arguments", "QC314")
    if not found:
        return {}
    if not isinstance(found[0], dict):
        raise Malformed(short(found[0]), "QC314")
    return {
        str(key): _ref(value, offsets) if _is_ref(value, offsets) else value
        for key, value in found[0].items()
    }


def _is_ref(value: object, offsets: Mapping[str, int]) -> bool:
    match value:
        case [str(layer), int(), int()]:
            return layer in offsets
        case _:
            return False


def _keras3(node: Mapping[str, object], offsets: Mapping[str, int]) -> Invocation:
    """``{"args": [...], "kwargs": {...}}`` with tensors as ``__keras_tensor__``.

    Positional arguments behind the first are named by their number. First states of a recurrent
    layer follow its sequence, as Keras 2 writes them.
    """
    args, kwargs = node.get("args"), node.get("kwargs", {})
    if not isinstance(args, list | tuple) or not isinstance(kwargs, dict):
        raise Malformed(short(node), "QC314")
    name = None if args else _first_by_name(kwargs)
    first, *rest = args or [kwargs[name]]
    named = {str(key): value for key, value in kwargs.items() if key != name}
    if not _is_tensor(first) and not isinstance(first, list | tuple):
        return Invocation((), _arguments3(rest, named, offsets), first)
    states = named.pop(_STATES, None) or ()
    return Invocation(
        (*_histories(first, offsets), *_histories(states, offsets)),
        _arguments3(rest, named, offsets),
    )


def _first_by_name(kwargs: Mapping[str, object]) -> str:
    names = [name for name in _FIRST if name in kwargs]
    if len(names) != 1:
        raise Malformed(f"without a first argument: {short(kwargs)}", "QC314")
    return names[0]


def _arguments3(
    rest: Sequence[object], named: Mapping[str, object], offsets: Mapping[str, int]
) -> dict[str, object]:
    every = {**{f"{ARGUMENT}{i}": value for i, value in enumerate(rest, 1)}, **named}
    return {key: _argument(value, offsets) for key, value in every.items()}


def _argument(value: object, offsets: Mapping[str, int]) -> object:
    """A tensor as a `Ref`; lists of tensors are nobody's argument but the first."""
    return next(_histories(value, offsets)) if _is_tensor(value) else value


def _is_tensor(value: object) -> bool:
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def _histories(value: object, offsets: Mapping[str, int]) -> Iterator[Ref]:
    if isinstance(value, list | tuple):
        for one in value:
            yield from _histories(one, offsets)
        return
    match value:
        case {"class_name": "__keras_tensor__", "config": {"keras_history": list(row)}} if (
            len(row) == 3
        ):
            # Keras 3 does not count a first call of nested models.
            yield _ref(row, dict.fromkeys(offsets, 0))
        case _:
            raise Malformed(short(value), "QC314")
