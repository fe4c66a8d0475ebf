"""ONNX files that are hostile or malformed, by name, and the code that each gets."""

from collections.abc import Callable, Mapping
from typing import Final

from tests.hostile.onnx_edits import (
    HUGE,
    Edit,
    _deeper,
    _keys_twice,
    _layer,
    _twice,
    allocation,
    constant_of_unknown_type,
    custom_operator,
    cycle,
    doubling,
    duplicate,
    endless_loop,
    external,
    external_by_default,
    external_constant,
    external_in_branch,
    external_in_function,
    functions,
    given_graph,
    imported,
    imported_in_function,
    input_of_strings,
    input_of_unknown_type,
    input_without_type,
    layers_of_one_tensor,
    metadata,
    nested,
    no_nodes,
    no_opset,
    no_outputs,
    not_utf8,
    opset,
    shape_of_constant,
    text_of_tensor,
    undefined,
    unknown_operator,
    wide_operators,
)

#: For each edit: the code with which `inspect` and everything else refuses the file.
REFUSED: Final[Mapping[str, tuple[Edit, str]]] = {
    "external relative": (external("weights.bin"), "QC701"),
    "external parent": (external("../weights.bin"), "QC701"),
    "external absolute": (external("/etc/passwd"), "QC701"),
    "external negative offset": (external("weights.bin", offset="-8"), "QC701"),
    "external over-long": (external("weights.bin", length=str(HUGE)), "QC701"),
    "external in a constant": (external_constant, "QC701"),
    "external in a branch": (external_in_branch, "QC701"),
    "external in a function": (external_in_function, "QC701"),
    "external by default of a function": (external_by_default, "QC701"),
    "weight of 4 TiB": (shape_of_constant(HUGE), "QC702"),
    "weight of negative size": (shape_of_constant(-1), "QC702"),
    "weight of overflowing size": (shape_of_constant(1 << 62, 1 << 62), "QC702"),
    "weight of unknown type": (constant_of_unknown_type, "QC702"),
    "nested branches": (nested(20), "QC702"),
    "cycle": (cycle, "QC702"),
    "two tensors of one name": (duplicate, "QC702"),
    "tensor from nowhere": (undefined, "QC702"),
    "no nodes": (no_nodes, "QC702"),
    "no outputs": (no_outputs, "QC702"),
    "no opset": (no_opset, "QC702"),
    "opset twice": (imported(("", 21), ("", 11)), "QC702"),
    "opset twice by both names": (imported(("", 21), ("ai.onnx", 11)), "QC702"),
    "opset twice in a function": (imported_in_function(("", 21), ("ai.onnx", 11)), "QC702"),
    "unknown operator": (unknown_operator, "QC702"),
    "function that calls itself": (functions((1, "f1"), (1, "f0")), "QC702"),
    "input without a type": (input_without_type, "QC702"),
    "input of unknown type": (input_of_unknown_type, "QC702"),
    **{
        f"no UTF-8 as {name}": (not_utf8(edit), "QC702")
        for name, edit in {
            "graph": lambda m, text: setattr(m.graph, "name", text),
            "node": lambda m, text: setattr(m.graph.node[0], "name", text),
            "operator": lambda m, text: setattr(m.graph.node[0], "op_type", text),
            "input": lambda m, text: setattr(m.graph.input[0], "name", text),
            "weight": lambda m, text: setattr(m.graph.initializer[0], "name", text),
            "metadata": lambda m, text: setattr(m.metadata_props[0], "value", text),
        }.items()
    },
    "no UTF-8 in a tensor": (text_of_tensor, "QC702"),
    "metadata no JSON": (metadata("{"), "QC703"),
    "metadata a list": (metadata("[]"), "QC703"),
    "metadata of millions of values": (metadata('{"x":[' + "[]," * 2_000_000 + "0]}"), "QC703"),
    "metadata nested deeply": (metadata("[" * 100_000), "QC703"),
    "metadata nested deeply in braces": (metadata('{"a":' * 100_000), "QC703"),
    "metadata nested more than 64 levels": (metadata(_deeper(100)), "QC703"),
    "NaN in metadata that nobody reads": (metadata(lambda c: c.update(x=float("nan"))), "QC703"),
    "a huge integer in metadata": (metadata(lambda c: c.update(x=1 << 64)), "QC703"),
    "a lone surrogate in metadata": (metadata(lambda c: c.update(x="\ud800")), "QC703"),
    "metadata without layers": (metadata(lambda c: c.pop("layers")), "QC703"),
    "metadata with infinity": (
        metadata(lambda c: c.update(layers=[{"codes": {"exp": float("inf")}}])),
        "QC703",
    ),
    "layers no list": (metadata(lambda c: c.update(layers=7)), "QC703"),
    "layer of no permutation": (_layer("perm", [0, 0]), "QC703"),
    "layer of infinite exponent": (
        _layer("codes", {"tensor": "x", "exp": float("inf")}),
        "QC703",
    ),
    "layer twice": (metadata(_twice), "QC703"),
    "a key of the metadata twice": (_keys_twice('"dialect":'), "QC703"),
    "a key of a layer twice": (_keys_twice('"class_name":'), "QC703"),
}

#: Files that are small, and have no end for who follows their calls.
BEYOND: Final[Mapping[str, Edit]] = {
    "calls that double 30 times": doubling(30),
    "calls that double in a branch": doubling(30, branch=True),
    "100,000 calls of a node": functions((1, "Identity"), (100_000, "f0")),
    "a graph handed to functions": given_graph(),
    "a graph that functions have": given_graph(default=True),
}

#: Files whose layers are many, or share much: the code, and the limit that is named.
CROWDED: Final[Mapping[str, tuple[Edit, str, str]]] = {
    "10,001 layers of one tensor": (layers_of_one_tensor(10_001, 1), "QC324", "layers"),
    "9,000 layers of 9,000 operators": (
        layers_of_one_tensor(9000, 9000),
        "QC709",
        "layer-tensors",
    ),
    "9,000 layers fused into 9,000 operators": (
        layers_of_one_tensor(9000, 9000, fused=True),
        "QC709",
        "layer-tensors",
    ),
}
#: A file of operators that have many inputs and outputs each, which are gone through once.
WIDE: Final = wide_operators(8, 2500)

#: For each edit: the codes of which one says why ONNX Runtime does not run the file.
FAILING: Final[Mapping[str, tuple[Edit, tuple[str, ...]]]] = {
    "custom operator": (custom_operator, ("QC726",)),
    "4 TiB of zeros": (allocation("ConstantOfShape"), ("QC727", "QC726")),
    "4 TiB by expansion": (allocation("Expand"), ("QC727", "QC726")),
    "opset of the future": (opset(9999), ("QC726",)),
    "input of strings": (input_of_strings, ("QC726",)),
    "endless loop": (endless_loop, ("QC722",)),
}

#: What lies in the place of a file, of whose bytes it is made: its code, exit code and words.
OTHERS: Final[Mapping[str, tuple[Callable[[bytes], bytes], str, int, str]]] = {
    "nothing": (lambda _: b"", "QC101", 4, "an empty file"),
    "cut off in a weight": (lambda data: data[: len(data) // 2], "QC102", 4, "truncated: "),
    "cut off in a number": (lambda data: data[:1], "QC102", 4, "truncated: 1 of at least "),
    "a pointer of Git LFS": (
        lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "QC104",
        4,
        "git lfs pull",
    ),
    "a web page": (lambda _: b"<!DOCTYPE html><html></html>", "QC103", 4, "an HTML page"),
    "HDF5": (lambda _: b"\x89HDF\r\n\x1a\n" + bytes(99), "QC105", 3, "an HDF5 file, as Keras"),
    "no protobuf": (lambda _: b"\xff" * 99, "QC702", 4, "not an ONNX file: Error parsing"),
    "the beginning alone": (lambda data: data[:2], "QC702", 4, "it holds no graph"),
}
