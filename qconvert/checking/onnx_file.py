"""ONNX files from anybody: read as they are, and nothing beside them."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import onnx

from qconvert.checking.results import CheckedFile
from qconvert.emit.metadata import read_metadata
from qconvert.emit.stamp import read_stamp, sha256_of
from qconvert.errors import BadFileError, LimitError, UsageError
from qconvert.ir import Graph, Shape

#: Of a message of protobuf.
_MAX_BYTES: Final = (1 << 31) - 1


def read_onnx(path: Path) -> tuple[onnx.ModelProto, CheckedFile]:
    """The model in *path*, which is valid ONNX and has all its weights in itself.

    Its hash is that of the file as it was before it got a stamp. Raises `BadFileError`, and
    `LimitError` for more bytes than the format can have.
    """
    if not path.exists():
        raise BadFileError("QC107", path, "no such file")
    if not path.is_file():
        raise BadFileError("QC106", path, "not a regular file")
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise LimitError("QC110", f"{path}: larger than the 2 GiB that ONNX files can have")
        data = path.read_bytes()
    except OSError as error:
        raise BadFileError("QC107", path, error.strerror or str(error)) from error
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:
        # The parser of protobuf has no public base class of its errors.
        raise BadFileError("QC702", path, f"not an ONNX file: {error}") from error
    if not model.HasField("graph") or not model.graph.node:
        raise BadFileError("QC702", path, "not an ONNX file: it holds no graph")
    _require_complete(path, model)
    _require_valid(path, model)
    try:
        read_metadata(model)
        stamp = read_stamp(model)
    except ValueError as error:
        raise BadFileError("QC703", path, str(error)) from error
    digest = hashlib.sha256(data).hexdigest() if stamp is None else sha256_of(model)
    return model, CheckedFile(str(path), digest)


def _require_complete(path: Path, model: onnx.ModelProto) -> None:
    """Asked before anything looks for the data of a tensor."""
    for tensor in _all_tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise BadFileError("QC701", path, f"the weight {tensor.name!r} lies in another file")


def _require_valid(path: Path, model: onnx.ModelProto) -> None:
    """What every program relies on that reads a graph: its order, names, types and sizes."""
    if not model.graph.output:
        raise BadFileError("QC702", path, "not a valid ONNX file: it returns nothing")
    try:
        onnx.checker.check_model(model)
        for value in (*model.graph.input, *model.graph.output):
            if value.type.HasField("tensor_type"):
                onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        for tensor in _all_tensors(model):
            # Of numbers, which types are known and how many bytes they take.
            if tensor.data_type != onnx.TensorProto.STRING:
                onnx.numpy_helper.to_array(tensor)
    except Exception as error:
        # The checker has an error of its own; the types are looked up in tables.
        raise BadFileError("QC702", path, f"not a valid ONNX file: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no type {error}"
    return str(error).partition("\n")[0]


def require_interface_of(graph: Graph, model: onnx.ModelProto) -> None:
    """`UsageError` unless *model* takes the inputs and has the order of outputs of *graph*."""
    weights = {tensor.name for tensor in model.graph.initializer}
    found = {v.name: _shape(v) for v in model.graph.input if v.name not in weights}
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
    found = {told.get(value.name, value.name): _shape(value) for value in model.graph.output}
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


def _shape(value: onnx.ValueInfoProto) -> Shape:
    """The sizes of a tensor; `None` where they are open."""
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)


def _fits(found: Shape, wanted: Shape) -> bool:
    return len(found) == len(wanted) and all(
        None in pair or pair[0] == pair[1] for pair in zip(found, wanted, strict=True)
    )


def _listed(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name!r} {shape}" for name, shape in sorted(shapes.items())) or "none"


def in_memory(model: onnx.ModelProto, path: Path | None = None) -> CheckedFile:
    """What stands in the report for a model that has no file, or is that of *path* as well."""
    return CheckedFile(None if path is None else str(path), sha256_of(model))


def _all_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every constant tensor of the graph, of functions, and of what is there for training."""
    yield from _tensors(model.graph)
    for function in model.functions:
        yield from _constants(function.node)
    for training in model.training_info:
        yield from _tensors(training.initialization)
        yield from _tensors(training.algorithm)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every constant tensor, also those of nodes and their subgraphs."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _constants(graph.node)


def _constants(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            # One that is not there would be a tensor of no type.
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
            yield from attribute.tensors
            for sparse in attribute.sparse_tensors:
                yield from (sparse.values, sparse.indices)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
