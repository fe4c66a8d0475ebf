"""Two ONNX files: what they say, and what they compute, layer by layer where they tell layers."""

from collections.abc import Iterable, Iterator
from hashlib import sha256

import onnx

from qconvert.checking.deployed.layered_file import cones_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.onnx_file import shape_of
from qconvert.differing.graphs import Both, Part, end_changes, names_of, part_changes
from qconvert.differing.models import interface_changes
from qconvert.differing.operators import View, view_of
from qconvert.differing.results import Change, Kind
from qconvert.emit.metadata import KEY, CodesTensor, ModelMetadata, read_metadata
from qconvert.emit.stamp import KEY as STAMP_KEY
from qconvert.emit.stamp import read_stamp
from qconvert.report.described import meaning, needed
from qconvert.report.onnx_summary import bytes_of


def file_changes(first: onnx.ModelProto, second: onnx.ModelProto) -> Iterator[Change]:
    """From the first to the second: what the files say, their interface, then their operators."""
    told = read_metadata(first), read_metadata(second)
    before, after = _said(first, told[0]), _said(second, told[1])
    for what in dict.fromkeys((*before, *after)):
        if before.get(what) != after.get(what):
            yield Change("", Kind.CHANGED, what, before.get(what), after.get(what))
    steps, others = map(_steps_of, told)
    for layer in steps:
        if steps[layer] != others.get(layer, steps[layer]):
            yield Change("", Kind.CHANGED, f"codes of {layer}", steps[layer], others[layer])
    both = Both(view_of(first.graph), view_of(second.graph))
    inputs = both.first.inputs, both.second.inputs
    yield from interface_changes("input", *(list(map(_described, each)) for each in inputs))
    outputs = first.graph.output, second.graph.output
    yield from interface_changes("output", *(list(map(_described, each)) for each in outputs))
    both.calls_alike(names_of(inputs[0]), names_of(inputs[1]))
    if told[0] is None or told[1] is None:
        parts = [Part("", "", both.first.operators)], [Part("", "", both.second.operators)]
    else:
        parts = _layers(both.first, told[0]), _layers(both.second, told[1])
    yield from part_changes(both, *parts)
    yield from end_changes(both, "", "result")


def _layers(view: View, metadata: ModelMetadata) -> list[Part]:
    """By layer the operators that compute it; those of no layer are a part of their own.

    Layers that share a tensor leave them to the first.
    """
    cones = cones_of(OnnxGraph(view.graph), metadata.layers)
    own = [layer.layer for layer in metadata.layers if layer.fused_into is None]
    owners = {node.output[0]: name for name in reversed(own) for node in cones[name]}
    parts: dict[str, list[onnx.NodeProto]] = {}
    for node in view.operators:
        parts.setdefault(owners.get(node.output[0], ""), []).append(node)
    layers = [Part(x.layer, x.class_name, tuple(parts.get(x.layer, ()))) for x in metadata.layers]
    return [*layers, Part("", "", tuple(parts.get("", ())))]


def _said(model: onnx.ModelProto, metadata: ModelMetadata | None) -> dict[str, str]:
    """What a file says about itself, but for its graph."""
    stamp, known = read_stamp(model), (KEY, STAMP_KEY)
    return {
        "IR version": str(model.ir_version),
        **{f"opset of {x.domain or 'ai.onnx'}": str(x.version) for x in model.opset_import},
        **_made(metadata),
        "verdict": "not checked" if stamp is None else stamp.verdict,
        **{f"metadata {x.key}": x.value for x in model.metadata_props if x.key not in known},
        "functions": _digest(each.SerializeToString() for each in model.functions),
        "sparse weights": _digest(
            each.SerializeToString() for each in model.graph.sparse_initializer
        ),
        "bytes of weights": f"{sum(map(bytes_of, model.graph.initializer)):,}",
    }


def _made(metadata: ModelMetadata | None) -> dict[str, str]:
    """How qconvert made the file, and what it needs."""
    if metadata is None:
        return {}
    return {
        "source": f"SHA-256 {metadata.source or 'not known'}",
        "converter": f"qconvert {metadata.converter}",
        "dialect": metadata.dialect,
        "needs": needed(metadata.requires),
        **{f"codes of {x.input}": meaning(x.codes) for x in metadata.inputs if x.codes},
        **{f"codes of {x.output}": meaning(x.codes) for x in metadata.outputs if x.codes},
        **{f"notes on {x.layer}": " ".join(x.notes) for x in metadata.layers if x.notes},
    }


def _steps_of(metadata: ModelMetadata | None) -> dict[str, str]:
    """What codes of results stand for, by layer."""
    layers = metadata.layers if metadata else ()
    return {layer.layer: _steps(layer.codes) for layer in layers if layer.codes}


def _steps(codes: CodesTensor) -> str:
    zero = f", zero point {codes.zero_point}" if codes.zero_point else ""
    if isinstance(codes.exp, int):
        return f"steps of 2**{codes.exp}{zero}"
    lo, hi = min(codes.exp), max(codes.exp)
    told = f"steps of 2**{lo} to 2**{hi} by channel{zero}"
    return f"{told}, {_digest([str(codes.exp).encode()])}"


def _digest(parts: Iterable[bytes]) -> str:
    """Of what is compared as a whole."""
    data = b"".join(parts)
    return f"SHA-256 {sha256(data).hexdigest()}" if data else "none"


def _described(value: onnx.ValueInfoProto) -> str:
    """Name, type and sizes of an input or output."""
    kind = value.type.tensor_type
    sizes = ("?" if size is None else str(size) for size in shape_of(value))
    name = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
    return f"{value.name} {name} {'x'.join(sizes) or 'scalar'}"
