"""What an exported file says about itself: where it comes from, what it takes and returns.

Stored as JSON in the model's ``metadata_props``, so that nothing has to be found by names;
docs/METADATA.md describes it for users, ``schemas/metadata.schema.json`` for programs.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import onnx

from qconvert.strict_json import SIZE, parsed_object

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: The key in ``metadata_props``.
KEY: Final = "qconvert"
SCHEMA: Final = "qconvert.metadata/3"
#: For which float64 holds ``2**exp``.
_EXPONENTS: Final = range(-1074, 1024)
#: What the codes' types hold.
_ZERO_POINTS: Final = range(-(1 << 15), 1 << 16)
_TYPES: Final = frozenset({"uint8", "int8", "uint16", "int16"})
_HEXADECIMAL: Final = frozenset("0123456789abcdef")
_SHA256_DIGITS: Final = 64
#: What every file states.
_ALWAYS: Final = ("converter", "dialect", "inputs", "outputs", "layers")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CodesTensor:
    """An integer tensor that holds ``(code - zero_point) * 2**exp``.

    Of sums, ``exp`` can have one exponent for each element of the last axis.
    """

    tensor: str
    exp: int | tuple[int, ...]
    zero_point: int = 0


@dataclass(frozen=True, slots=True)
class LayerTensor:
    """The tensors that carry one Keras layer's output, both with their axes in one order.

    ``tensor`` is float, and ``None`` if the file holds the output in ``codes`` alone; axis ``i``
    in Keras is axis ``perm[i]`` of the stored tensors (``None``: the order is the same). One that
    is ``fused_into`` the operators of another layer has neither.
    ``converter`` is the other program that wrote this layer's part of the file, if one did;
    ``notes`` tell what its user may not expect.
    """

    layer: str
    class_name: str
    tensor: str | None = None
    perm: tuple[int, ...] | None = None
    codes: CodesTensor | None = None
    converter: str | None = None
    notes: tuple[str, ...] = ()
    fused_into: str | None = None


@dataclass(frozen=True, slots=True)
class InterfaceCodes:
    """Integers of *type* from ``lo`` to ``hi`` that an input or output is made of.

    They stand for ``(code - zero_point) * 2**exp``, and where ``divisor`` is not 1 for the float32
    that is next to that, divided by it.
    """

    type: str
    lo: int
    hi: int
    exp: int = 0
    zero_point: int = 0
    divisor: int = 1


@dataclass(frozen=True, slots=True)
class InputTensor:
    """The tensor that the user supplies for what Keras calls ``input``; floats without codes.

    ``numbers`` are those that the file computes of codes before it uses them.
    """

    input: str
    tensor: str
    codes: InterfaceCodes | None = None
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """The tensor of the file that is the output which Keras calls ``output``."""

    output: str
    tensor: str
    codes: InterfaceCodes | None = None


@dataclass(frozen=True, slots=True)
class Requirements:
    """Without which a runtime computes something else; ``cpu`` and ``openvino`` in words."""

    session_options: Mapping[str, str] = field(default_factory=dict)
    cpu: tuple[str, ...] = ()
    openvino: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """All layers, inputs and outputs, in the order of the model, and how the file was made.

    ``source`` is the SHA-256 of the model file, ``converter`` the version of qconvert.
    """

    layers: tuple[LayerTensor, ...]
    outputs: tuple[OutputTensor, ...] = ()
    dialect: str = ""
    inputs: tuple[InputTensor, ...] = ()
    source: str | None = None
    converter: str = ""
    requires: Requirements = Requirements()

    @property
    def has_codes(self) -> bool:
        """Whether users give or get integers."""
        coded = [x.codes for x in self.inputs] + [x.codes for x in self.outputs]
        return any(each is not None for each in coded)


def add_metadata(model: onnx.ModelProto, metadata: ModelMetadata) -> None:
    """Write *metadata* into *model*; what has its default is left out, as most of it has."""
    always = {name: _stated(getattr(metadata, name)) for name in _ALWAYS}
    content = {"schema": SCHEMA, **_fields(metadata), **always}
    model.metadata_props.add(key=KEY, value=as_json(content))


def _stated(content: object) -> object:
    if isinstance(content, tuple):
        return [_stated(each) for each in content]
    if is_dataclass(content) and not isinstance(content, type):
        return _fields(content)
    return content


def _fields(data: "DataclassInstance") -> dict[str, object]:
    """As JSON, without those that have their default."""
    values = ((each, getattr(data, each.name)) for each in fields(data))
    return {each.name: _stated(value) for each, value in values if value != _default(each)}


def _default(of: Field[Any]) -> object:
    return of.default if of.default_factory is MISSING else of.default_factory()


def as_json(content: object) -> str:
    """Canonical JSON: the same content gives the same text."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def read_metadata(model: onnx.ModelProto) -> ModelMetadata | None:
    """What `add_metadata` wrote; `None` if there is none, `ValueError` if it is damaged."""
    content = content_of(model, KEY, SCHEMA)
    if content is None:
        return None
    try:
        return _metadata(content)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the metadata is damaged: {_damage(error)}") from error


def content_of(model: onnx.ModelProto, key: str, schema: str) -> dict[str, Any] | None:
    """The JSON object under *key*; `ValueError` if it is none, or has another *schema*."""
    texts = [entry.value for entry in model.metadata_props if entry.key == key]
    if not texts:
        return None
    try:
        (text,) = texts
        if len(text) > SIZE:
            raise ValueError(f"more than {SIZE:,} characters")
        content: dict[str, Any] = parsed_object(text, "the text")
        found = content["schema"]
    except (KeyError, ValueError) as error:
        raise ValueError(f"the metadata is damaged: {_damage(error)}") from error
    if found != schema:
        raise ValueError(
            f"the metadata is damaged, or of another version of qconvert: its schema is {found!r}, "
            f"not {schema!r}; export the model again"
        )
    return content


def _damage(error: Exception) -> str:
    """What *error*, of Python's, says of JSON that has another form than it should."""
    match error:
        case KeyError():
            return f"it lacks {error}"
        case ValueError():
            return str(error)
        case _:
            return "a part of it is of another type than it has to be"


def require_sha256(value: object) -> str:
    """*value*, if it is the hexadecimal form of a SHA-256."""
    text = str(value)
    if len(text) != _SHA256_DIGITS or not _HEXADECIMAL.issuperset(text):
        raise ValueError(f"{text!r} is no SHA-256")
    return text


def _metadata(content: Mapping[str, Any]) -> ModelMetadata:
    source, requires = content.get("source"), content.get("requires", _NOTHING)
    layers = tuple(_layer(entry) for entry in content["layers"])
    if len({each.layer for each in layers}) < len(layers):
        raise ValueError("a layer is described twice")
    return ModelMetadata(
        layers,
        tuple(
            OutputTensor(str(o["output"]), str(o["tensor"]), _interface_codes(o.get("codes")))
            for o in content["outputs"]
        ),
        str(content["dialect"]),
        tuple(
            InputTensor(
                str(i["input"]),
                str(i["tensor"]),
                _interface_codes(i.get("codes")),
                tuple(str(name) for name in i.get("numbers", ())),
            )
            for i in content["inputs"]
        ),
        None if source is None else require_sha256(source),
        str(content["converter"]),
        _requirements(requires),
    )


def _requirements(content: Mapping[str, Any]) -> Requirements:
    options = content.get("session_options", _NOTHING)
    return Requirements(
        {str(name): str(value) for name, value in options.items()},
        tuple(str(text) for text in content.get("cpu", ())),
        tuple(str(text) for text in content.get("openvino", ())),
    )


def _layer(entry: Mapping[str, Any]) -> LayerTensor:
    perm, codes, tensor = entry.get("perm"), entry.get("codes"), entry.get("tensor")
    converter, fused_into = entry.get("converter"), entry.get("fused_into")
    if perm is not None and sorted(perm) != list(range(len(perm))):
        raise ValueError(f"{perm} is no permutation")
    return LayerTensor(
        str(entry["layer"]),
        str(entry["class_name"]),
        None if tensor is None else str(tensor),
        None if perm is None else tuple(int(axis) for axis in perm),
        None if codes is None else _codes(codes),
        None if converter is None else str(converter),
        tuple(str(note) for note in entry.get("notes", ())),
        None if fused_into is None else str(fused_into),
    )


def _codes(entry: Mapping[str, Any]) -> CodesTensor:
    exp, zero_point = entry["exp"], _zero_point(entry)
    exps = tuple(map(_exponent, exp)) if isinstance(exp, list) else _exponent(exp)
    if exps == ():
        raise ValueError("sums without exponents")
    return CodesTensor(str(entry["tensor"]), exps, zero_point)


def _interface_codes(entry: Mapping[str, Any] | None) -> InterfaceCodes | None:
    if entry is None:
        return None
    exp, zero_point = _exponent(entry.get("exp", 0)), _zero_point(entry)
    kind, lo, hi, divisor = entry["type"], entry["lo"], entry["hi"], entry.get("divisor", 1)
    if kind not in _TYPES or not int(lo) <= int(hi) or int(divisor) < 1:
        raise ValueError(f"codes of {kind} from {lo} to {hi}, divided by {divisor}")
    return InterfaceCodes(str(kind), int(lo), int(hi), exp, zero_point, int(divisor))


def _exponent(value: int) -> int:
    if int(value) not in _EXPONENTS:
        raise ValueError(f"codes with exponent {value}")
    return int(value)


def _zero_point(entry: Mapping[str, Any]) -> int:
    zero_point = int(entry.get("zero_point", 0))
    if zero_point not in _ZERO_POINTS:
        raise ValueError(f"codes with zero point {zero_point}")
    return zero_point
