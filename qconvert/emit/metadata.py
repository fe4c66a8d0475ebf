"""What an exported file says about itself: where the outputs of model and layers are.

Stored as JSON in the model's ``metadata_props``, so that nothing has to be found by names.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import onnx

#: The key in ``metadata_props``.
KEY = "qconvert"
_SCHEMA = "qconvert.metadata/1"
#: For which float64 holds ``2**exp``.
_EXPONENTS = range(-1074, 1024)
#: What the codes' types hold.
_ZERO_POINTS = range(-(1 << 15), 1 << 16)


@dataclass(frozen=True, slots=True)
class CodesTensor:
    """An integer tensor that holds ``(code - zero_point) * 2**exp``."""

    tensor: str
    exp: int
    zero_point: int


@dataclass(frozen=True, slots=True)
class LayerTensor:
    """The tensors that carry one Keras layer's output, both with their axes in one order.

    ``tensor`` is float, and ``None`` if the file holds the output in ``codes`` alone; axis ``i``
    in Keras is axis ``perm[i]`` of the stored tensors (``None``: the order is the same). One that
    is computed ``inside`` of the operators of another layer has neither.
    ``converter`` is the other program that wrote this layer's part of the file, if one did;
    ``notes`` tell what its user may not expect.
    """

    layer: str
    class_name: str
    tensor: str | None
    perm: tuple[int, ...] | None
    codes: CodesTensor | None
    converter: str | None = None
    notes: tuple[str, ...] = ()
    inside: str | None = None


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """The tensor of the file that is the output which Keras calls ``output``."""

    output: str
    tensor: str


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """All layers and outputs, in the order of the model, and the dialect of the file."""

    layers: tuple[LayerTensor, ...]
    outputs: tuple[OutputTensor, ...] = ()
    dialect: str = ""


def add_metadata(model: onnx.ModelProto, metadata: ModelMetadata) -> None:
    """Write *metadata* into *model*."""
    content = {"schema": _SCHEMA, **asdict(metadata)}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    model.metadata_props.add(key=KEY, value=text)


def read_metadata(model: onnx.ModelProto) -> ModelMetadata | None:
    """What `add_metadata` wrote; `None` if there is none, `ValueError` if it is damaged."""
    texts = [entry.value for entry in model.metadata_props if entry.key == KEY]
    if not texts:
        return None
    try:
        content = json.loads(texts[0])
        if content["schema"] != _SCHEMA:
            raise ValueError(f"unknown schema {content['schema']!r}")
        layers = tuple(_layer(entry) for entry in content["layers"])
        outputs = tuple(
            OutputTensor(str(o["output"]), str(o["tensor"])) for o in content["outputs"]
        )
        return ModelMetadata(layers, outputs, str(content["dialect"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the metadata is damaged: {error!r}") from error


def _layer(entry: dict[str, Any]) -> LayerTensor:
    perm, codes, tensor = entry["perm"], entry["codes"], entry["tensor"]
    converter, inside = entry["converter"], entry.get("inside")
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
        None if inside is None else str(inside),
    )


def _codes(entry: dict[str, Any]) -> CodesTensor:
    exp, zero_point = int(entry["exp"]), int(entry["zero_point"])
    if exp not in _EXPONENTS or zero_point not in _ZERO_POINTS:
        raise ValueError(f"codes with exponent {exp} and zero point {zero_point}")
    return CodesTensor(str(entry["tensor"]), exp, zero_point)
