"""ONNX files with something changed in their protos, which stay protos."""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st
from onnx import TensorProto, helper

from qconvert.emit.metadata import KEY
from scripts.fuzzing.changes import Change, Changed, changes

#: A field of a message.
Place: TypeAlias = tuple[Any, FieldDescriptor]

_INTEGERS: Final = (
    0, 1, 2, 3, 7, 16, 17, 23, 255, -1, 1 << 20, (1 << 31) - 1, 1 << 40, (1 << 63) - 1, -(1 << 63),
)  # fmt: skip
_FLOATS: Final = (0.0, -0.0, 0.5, 3.0, 1e-45, 3e38, math.inf, math.nan)
_TEXTS: Final = (
    "", "x", "com.microsoft", "com.evil", "ai.onnx.ml", "\x1b[31m", "../../x", "a\n::error::b",
    "x" * 300, "Identity", "Neg", "Loop", "If", "Scan", "Constant", "QLinearConv", "axis", "value",
)  # fmt: skip
_BYTES: Final = (b"", b"\0", b"\xff" * 8, b"x" * 1000)
#: Those that leave most files valid are drawn more often.
_KINDS: Final = (
    "drop", "repeat", "swap", "copy", "replace", "replace", "add", "rename", "rename",
    "rewire", "rewire", "list", "type", "flip", "flip",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Edit:
    """What is done to the part number ``at``; ``other`` and ``value`` are numbers as well."""

    kind: str
    at: int
    other: int
    value: int


@dataclass(frozen=True, slots=True)
class Words:
    """A change of what a file that qconvert wrote says about itself."""

    change: Change


@dataclass(frozen=True, slots=True)
class Edited:
    """A file, and what is changed in it."""

    seed: bytes
    edits: tuple[Edit | Words, ...]

    def content(self) -> bytes:
        """The bytes of the file."""
        model = onnx.load_model_from_string(self.seed)
        for edit in self.edits:
            # What a field cannot hold, is empty or was spoiled before, is left as it is.
            with suppress(KeyError, TypeError, ValueError, ZeroDivisionError):
                _apply(model, edit)
        data: bytes = model.SerializeToString(deterministic=True)
        return data


def edited(seeds: tuple[bytes, ...]) -> st.SearchStrategy[Edited]:
    """One change mostly, and three at most."""
    number = st.integers(0, 1 << 20)
    edit = st.builds(Edit, st.sampled_from(_KINDS), number, number, number)
    one = st.one_of(*(edit,) * 9, st.builds(Words, changes()))
    some = st.one_of(*(st.lists(one, min_size=1, max_size=most) for most in (1, 1, 3)))
    return st.builds(Edited, st.sampled_from(seeds), some.map(tuple))


def _apply(model: onnx.ModelProto, edit: Edit | Words) -> None:
    match edit:
        case Words(change):
            _say(model, change)
        case Edit("rename"):
            _rename(model, edit)
        case Edit("rewire"):
            _rewire(model, edit)
        case Edit("list"):
            _list(model, edit)
        case Edit("type" | "flip"):
            _store(model, edit)
        case _:
            _change(list(_places(model)), edit)


def _say(model: onnx.ModelProto, change: Change) -> None:
    """Change the JSON of the metadata."""
    for entry in model.metadata_props:
        if entry.key == KEY:
            entry.value = json.dumps(Changed(json.loads(entry.value), (change,)).document())


def _rename(model: onnx.ModelProto, edit: Edit) -> None:
    """Call a tensor something else wherever it is called, in most cases by metadata as well.

    Another may be called like that already.
    """
    names = _tensors(model)
    old, new = _chosen(names, edit.at), _chosen((*_TEXTS, *names), edit.other)
    for message, field in _places(model):
        if field.name in ("name", "input", "output"):
            values = _values(message, field)
            _set(message, field, [new if value == old else value for value in values])
    for entry in model.metadata_props if edit.value % 4 else ():
        entry.value = entry.value.replace(json.dumps(old), json.dumps(new))


def _rewire(model: onnx.ModelProto, edit: Edit) -> None:
    """Have an operator read another tensor, which may come later, or compute another one."""
    node = _chosen(model.graph.node, edit.at)
    tensors = node.output if edit.value % 8 == 0 else node.input
    tensors[edit.value % len(tensors)] = _chosen(_tensors(model), edit.other)


def _list(model: onnx.ModelProto, edit: Edit) -> None:
    """List any tensor among the inputs or outputs; of weights their type and sizes."""
    weights = {weight.name: weight for weight in model.graph.initializer}
    weight = weights.get(name := _chosen(_tensors(model), edit.at))
    kind, dims = (weight.data_type, weight.dims) if weight else (TensorProto.FLOAT, None)
    listed = (model.graph.input, model.graph.output)[edit.value % 2]
    listed.append(helper.make_tensor_value_info(name, kind, dims))


def _store(model: onnx.ModelProto, edit: Edit) -> None:
    """Store a weight in another form as well, or instead, or with another bit."""
    weight = _chosen([each for each in model.graph.initializer if each.raw_data], edit.at)
    data = bytearray(weight.raw_data)
    if edit.kind == "flip":
        data[edit.other % len(data)] ^= 1 << edit.value % 8
        weight.raw_data = bytes(data)
        return
    fields = (weight.float_data, weight.int32_data, weight.int64_data, weight.double_data)
    elements = min(math.prod(weight.dims), len(data))
    _chosen(fields, edit.value).extend([1] * (elements + edit.other % 3 - 1))
    if edit.other % 2:
        weight.ClearField("raw_data")


def _change(places: list[Place], edit: Edit) -> None:
    """What can be done to any field, whatever it means."""
    there = [place for place in places if edit.kind == "add" or _values(*place)]
    message, field = _chosen(there, edit.at)
    values = _values(message, field)
    at = edit.value % max(1, len(values))
    match edit.kind:
        case "drop":
            del values[at]
        case "repeat":
            values.insert(at, values[at])
        case "swap":
            values[at], values[at - 1] = values[at - 1], values[at]
        case "copy":
            values[at] = _chosen(_known(places, field), edit.other)
        case "add":
            values.append(_chosen((*_extremes(field), *_known(places, field)), edit.other))
        case _:
            values[at] = _chosen(_extremes(field), edit.other)
    _set(message, field, values)


def _known(places: list[Place], field: FieldDescriptor) -> list[Any]:
    """What the same field of any message holds."""
    alike = (place for place in places if place[1].full_name == field.full_name)
    return [value for place in alike for value in _values(*place)]


def _extremes(field: FieldDescriptor) -> Sequence[Any]:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return _BYTES if field.type == FieldDescriptor.TYPE_BYTES else _TEXTS
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return _FLOATS
        case FieldDescriptor.CPPTYPE_MESSAGE:
            return (GetMessageClass(field.message_type)(),)
        case _:
            return _INTEGERS


def _tensors(model: onnx.ModelProto) -> list[str]:
    """Names of everything between operators."""
    graph = model.graph
    listed = (*graph.input, *graph.initializer, *graph.output)
    computed = (name for node in graph.node for name in node.output)
    return list(dict.fromkeys((*(each.name for each in listed), *computed)))


def fields_in(message: Any) -> Iterator[tuple[FieldDescriptor, list[Any]]]:  # noqa: ANN401
    """Every field of a message and of those in it that holds something, and what."""
    for inner, field in _places(message):
        if values := _values(inner, field):
            yield field, values


def _places(message: Any) -> Iterator[Place]:  # noqa: ANN401
    """Every field of a message and of those in it."""
    for field in message.DESCRIPTOR.fields:
        yield message, field
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            for inner in _values(message, field):
                yield from _places(inner)


def _values(message: Any, field: FieldDescriptor) -> list[Any]:  # noqa: ANN401
    """What a field holds: at most one, if it is no list."""
    value = getattr(message, field.name)
    if field.is_repeated:
        return list(value)
    return [value] if message.HasField(field.name) else []


def _set(message: Any, field: FieldDescriptor, values: list[Any]) -> None:  # noqa: ANN401
    """Have a field hold these; of one that is no list the last, if any."""
    is_message = field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE
    kept = [_copy(value) for value in values] if is_message else values
    message.ClearField(field.name)
    if field.is_repeated:
        getattr(message, field.name).extend(kept)
    elif kept and is_message:
        getattr(message, field.name).CopyFrom(kept[-1])
    elif kept:
        setattr(message, field.name, kept[-1])


def _copy(message: Any) -> Any:  # noqa: ANN401
    copied = type(message)()
    copied.CopyFrom(message)
    return copied


def _chosen(values: Sequence[Any], number: int) -> Any:  # noqa: ANN401
    """The value of this number, going around."""
    if not values:
        raise ValueError("nothing to choose from")
    return values[number % len(values)]
