"""ONNX files from anybody: read as they are, and nothing beside them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import onnx

from qconvert.checking.deployed.layer_limits import require_few_layers
from qconvert.checking.results import CheckedFile
from qconvert.emit.metadata import ModelMetadata, read_metadata
from qconvert.emit.stamp import read_stamp, sha256_of
from qconvert.errors import BadFileError, UsageError
from qconvert.ir import Graph, Shape
from qconvert.modelfile import DEFAULT_LIMITS, Limits, name_of
from qconvert.modelfile.onnx_model import read_valid_onnx
from qconvert.runners.cutting import tensors_of


def read_onnx(path: Path, limits: Limits = DEFAULT_LIMITS) -> tuple[onnx.ModelProto, CheckedFile]:
    """The model in *path*, which is valid ONNX and has all its weights in itself.

    Its hash is that of the file as it was before it got a stamp. Raises `BadFileError`, and
    `LimitError` for more than the format can have or the *limits* allow.
    """
    data = read_valid_onnx(path, limits)
    model = onnx.load_model_from_string(data)
    try:
        metadata = read_metadata(model)
        stamp = read_stamp(model)
    except ValueError as error:
        raise BadFileError("QC703", path, str(error)) from error
    require_few_layers(path, model, metadata.layers if metadata else (), limits)
    digest = hashlib.sha256(data).hexdigest() if stamp is None else sha256_of(model)
    return model, CheckedFile(name_of(path), digest)


def require_told_tensors(path: Path, graph: onnx.GraphProto, metadata: ModelMetadata) -> None:
    """`BadFileError` if *metadata* tell of a tensor, input or output that *graph* has not.

    That of a file which another program has changed may: what is fused in it is no tensor any more.
    """
    known = {each.name for each in (*graph.input, *graph.initializer)}
    known.update(name for node in graph.node for name in node.output)
    told = [name for layer in metadata.layers for name in tensors_of(layer)]
    inputs, outputs = {each.name for each in graph.input}, {each.name for each in graph.output}
    for what, names, there in (
        ("tensors", told, known),
        ("inputs", [each.tensor for each in metadata.inputs], inputs),
        ("outputs", [each.tensor for each in metadata.outputs], outputs),
    ):
        missing = list(dict.fromkeys(name for name in names if name not in there))
        if missing:
            told_of = f"{what} that it has not: {', '.join(map(repr, missing[:3]))}"
            raise BadFileError("QC703", path, f"the metadata tell of {told_of}")


def require_interface_of(graph: Graph, model: onnx.ModelProto) -> None:
    """`UsageError` unless *model* takes the inputs and has the order of outputs of *graph*."""
    weights = {tensor.name for tensor in model.graph.initializer}
    found = {v.name: shape_of(v) for v in model.graph.input if v.name not in weights}
    wanted = {source.name: source.shape for source in graph.inputs}
    _require_alike("takes", found, wanted)
    names = [output.name for output in graph.outputs]
    outputs = [value.name for value in model.graph.output if value.name in names]
    if outputs != [name for name in names if name in outputs]:
        raise UsageError(
            "QC704",
            f"the ONNX file has its outputs in the order {', '.join(outputs)}, "
            f"the model {', '.join(names)}",
        )


def require_outputs_of(graph: Graph, model: onnx.ModelProto) -> None:
    """`UsageError` unless *model*, which qconvert wrote, returns what *graph* does."""
    metadata, shapes = read_metadata(model), graph.shapes
    told = {each.tensor: each.output for each in metadata.outputs} if metadata else {}
    found = {told.get(value.name, value.name): shape_of(value) for value in model.graph.output}
    wanted = {output.name: shapes[output.value] for output in graph.outputs}
    _require_alike("returns", found, wanted)


def _require_alike(does: str, found: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> None:
    """`UsageError` unless what the file *does* has the names and shapes that are wanted."""
    fits = found.keys() == wanted.keys() and all(
        _fits(found[name], shape) for name, shape in wanted.items()
    )
    if not fits:
        raise UsageError(
            "QC704",
            f"the ONNX file is not of this model: it {does} {_listed(found)}, "
            f"the model {_listed(wanted)}",
        )


def shape_of(value: onnx.ValueInfoProto) -> Shape:
    """The sizes of a tensor; `None` where they are open, for which old converters write -1."""
    dims = value.type.tensor_type.shape.dim
    told = (dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims)
    return tuple(None if size < 0 else size for size in told)


def _fits(found: Shape, wanted: Shape) -> bool:
    return len(found) == len(wanted) and all(
        None in pair or pair[0] == pair[1] for pair in zip(found, wanted, strict=True)
    )


def _listed(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name!r} {shape}" for name, shape in sorted(shapes.items())) or "none"


def in_memory(model: onnx.ModelProto, path: Path | None = None) -> CheckedFile:
    """What stands in the report for a model that has no file, or is that of *path* as well."""
    return CheckedFile(None if path is None else name_of(path), sha256_of(model))
