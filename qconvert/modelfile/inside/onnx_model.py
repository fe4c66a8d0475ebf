"""An ONNX file, put through all of onnx's C++ code that others will give it to."""

from __future__ import annotations

import os
import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

import onnx
import onnx.checker
import onnx.numpy_helper
import onnx.shape_inference

from .onnx_functions import require_few_calls
from .refusal import RefusalError
from .truncation import announced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.message import Message

#: Of the file: its bytes, and those of shape inference before, after and parsed; and programs.
COPIES, PROGRAM = 5, 128 << 20


def require_valid(descriptor: int, limits: dict[str, int]) -> None:
    """Refuse what is no ONNX, refers to other files, contradicts itself, or has no end."""
    with open(descriptor, "rb", closefd=False) as file:
        require_memory(os.fstat(descriptor).st_size)
        file.seek(0)
        data = file.read()
    model = parsed(data)
    require_text(model)
    require_complete(model)
    require_single_imports(model)
    require_few_calls(model, limits["function_nodes"])
    require_types(model)
    try:
        # What was parsed takes as much memory as the file, which the following has to do without.
        del model
        onnx.checker.check_model(data)
        # With values, which is all that the inference without them does, and more.
        onnx.shape_inference.infer_shapes(data, data_prop=True)
    except MemoryError:
        raise
    except Exception as error:
        # The checker has an error of its own.
        raise RefusalError("QC702", f"not a valid ONNX file: {reason(error)}") from None


def require_memory(size: int) -> None:
    """Room for a file of so many bytes; protobuf says of some shortages that it is damaged."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY and COPIES * size + PROGRAM > most:
        raise RefusalError("QC801", "the file needs too much memory", "reader_memory")


def parsed(data: bytes) -> onnx.ModelProto:
    """The model, of which a graph is there and returns something."""
    try:
        model = onnx.load_model_from_string(data)
    except MemoryError:
        raise
    except Exception as error:
        # The parser of protobuf has no public base class of its errors.
        require_whole(data)
        raise RefusalError("QC702", f"not an ONNX file: {error}") from None
    if not model.HasField("graph"):
        raise RefusalError("QC702", "not an ONNX file: it holds no graph")
    if not model.graph.node:
        raise RefusalError(
            "QC702", "an ONNX file that computes nothing: its graph has no operators"
        )
    if not model.graph.output:
        raise RefusalError("QC702", "not a valid ONNX file: it returns nothing")
    return model


def require_whole(data: bytes) -> None:
    """Refuse an ONNX file that was cut off, whose fields end behind its end."""
    fields = onnx.ModelProto.DESCRIPTOR.fields_by_name
    known = {field.number for field in fields.values()}
    expected = announced(data, fields["ir_version"].number, known)
    if expected > len(data):
        raise RefusalError("QC102", f"truncated: {len(data)} of at least {expected} bytes")


def require_text(message: Message) -> None:
    """Refuse names and texts that are not UTF-8, which protobuf has as bytes."""
    for field, value in message.ListFields():
        if field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
            continue
        single = isinstance(value, (str, bytes)) or hasattr(value, "ListFields")
        for each in [value] if single else value:
            if isinstance(each, bytes):
                place = f"{message.DESCRIPTOR.name}.{field.name}"
                raise RefusalError("QC702", f"the text of a {place} is not UTF-8")
            if field.type == field.TYPE_MESSAGE:
                require_text(each)
    if isinstance(message, onnx.TensorProto):
        try:
            for text in message.string_data:
                text.decode()
        except UnicodeDecodeError:
            raise RefusalError("QC702", "a text of a tensor is not UTF-8") from None


def require_complete(model: onnx.ModelProto) -> None:
    """Asked before anything looks for the data of a tensor."""
    for tensor in all_tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise RefusalError("QC701", f"the weight {tensor.name[:200]!r} lies in another file")


def require_single_imports(model: onnx.ModelProto) -> None:
    """One version of each domain: of several, ONNX means the highest, ONNX Runtime the last.

    The same one twice is no contradiction, and all programs take it.
    """
    for place in (model, *model.functions):
        versions: dict[str, int] = {}
        for entry in place.opset_import:
            # Two names of one.
            domain = entry.domain or "ai.onnx"
            version = versions.setdefault(domain, entry.version)
            if version != entry.version:
                both = f"{version} and {entry.version} of {domain[:200]!r}"
                raise RefusalError("QC702", f"imports two versions of a domain: {both}")


def require_types(model: onnx.ModelProto) -> None:
    """Types that are known, and tensors of as many bytes as they say; numbers have both."""
    for value in (*model.graph.input, *model.graph.output):
        if value.type.HasField("tensor_type"):
            with telling(value.name):
                onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    for tensor in all_tensors(model):
        if tensor.data_type != onnx.TensorProto.STRING:
            with telling(tensor.name):
                onnx.numpy_helper.to_array(tensor)


@contextmanager
def telling(name: str) -> Iterator[None]:
    """Refuse what is wrong with the tensor *name*, which an error may not say."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        # Types are looked up in tables, and arrays made of bytes: there are many errors.
        text = f"there is no type {error}" if isinstance(error, KeyError) else reason(error)
        told = text if name in text else f"the tensor {name[:200]!r}: {text}"
        raise RefusalError("QC702", f"not a valid ONNX file: {told}") from None


def reason(error: Exception) -> str:
    """What an error says, without the line of where that was.

    Its own ends of lines stand beside spaces; those of names are told as what they are.
    """
    text = str(error).partition("\n\n==> Context: ")[0].strip()
    return text.replace(" \n", " ").replace("\n ", " ")


def all_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every constant tensor of the graph, of functions, and of what is there for training."""
    yield from tensors(model.graph)
    for function in model.functions:
        yield from constants(function.node)
        yield from attached(function.attribute_proto)
    for training in model.training_info:
        yield from tensors(training.initialization)
        yield from tensors(training.algorithm)


def tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every constant tensor, also those of nodes and their subgraphs."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from constants(graph.node)


def constants(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    """The tensors in attributes of *nodes*."""
    for node in nodes:
        yield from attached(node.attribute)


def attached(attributes: Iterable[onnx.AttributeProto]) -> Iterator[onnx.TensorProto]:
    """The tensors in *attributes*, which functions have as well, for nodes that lack them."""
    for attribute in attributes:
        # One that is not there would be a tensor of no type.
        if attribute.HasField("t"):
            yield attribute.t
        if attribute.HasField("sparse_tensor"):
            yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
        yield from attribute.tensors
        for sparse in attribute.sparse_tensors:
            yield from (sparse.values, sparse.indices)
        for inner in (attribute.g, *attribute.graphs):
            yield from tensors(inner)
