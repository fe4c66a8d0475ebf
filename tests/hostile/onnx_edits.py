"""What is done to a good ONNX file to make it hostile or malformed."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Edit: TypeAlias = Callable[[onnx.ModelProto], None]

HUGE: Final = 1 << 40
NAMES: Final = (
    "\x1b[31mred",
    "<script>alert(1)</script>",
    "../../etc/x",
    "a\n::error::b",
    "=cmd()",
)


def external(location: str, offset: str = "0", length: str = "16") -> Edit:
    """The first weight lies in another file."""

    def edit(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=value)

    return edit


def _outside() -> TensorProto:
    tensor = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def external_constant(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["k"], value=_outside()))


def external_in_branch(model: onnx.ModelProto) -> None:
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["k"], value=_outside())],
        "branch",
        [],
        [helper.make_tensor_value_info("k", TensorProto.FLOAT, [1])],
    )
    node = helper.make_node("If", ["c"], ["r"], then_branch=branch, else_branch=branch)
    _append(model, _constant("c", np.array(True)), node)


def external_in_function(model: onnx.ModelProto) -> None:
    body = [helper.make_node("Constant", [], ["k"], value=_outside())]
    opsets = [helper.make_opsetid("", 21)]
    model.functions.append(helper.make_function("f", "F", [], ["k"], body, opsets))


def imported(*opsets: tuple[str, int]) -> Edit:
    """The domains and versions that the file says to need."""

    def edit(model: onnx.ModelProto) -> None:
        del model.opset_import[:]
        model.opset_import.extend(helper.make_opsetid(*each) for each in opsets)

    return edit


def imported_in_function(*opsets: tuple[str, int]) -> Edit:
    """What a function says to need."""

    def edit(model: onnx.ModelProto) -> None:
        functions((1, "Identity"))(model)
        imported(*opsets)(model.functions[0])

    return edit


def external_by_default(model: onnx.ModelProto) -> None:
    """What a function's constant is if its call does not say so."""
    constant = helper.make_node("Constant", [], ["k"])
    constant.attribute.add(name="value", ref_attr_name="given", type="TENSOR")
    opsets = [helper.make_opsetid("", 21)]
    function = helper.make_function("f", "F", [], ["k"], [constant], opsets)
    function.attribute_proto.append(helper.make_attribute("given", _outside()))
    model.functions.append(function)


def _constant(name: str, array: np.ndarray) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array, name))


def _append(model: onnx.ModelProto, *nodes: onnx.NodeProto) -> None:
    """Nodes that nothing but an output of the file reads."""
    model.graph.node.extend(nodes)


def shape_of_constant(*dims: int) -> Edit:
    """A weight that says to be of another size."""

    def edit(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("dims")
        tensor.dims.extend(dims)

    return edit


def _in_front(model: onnx.ModelProto, *nodes: onnx.NodeProto, read: str) -> None:
    """*nodes*, whose result *read* is added to the input, before all others."""
    source = model.graph.input[0].name
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == source:
                node.input[i] = "front"
    old = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, helper.make_node("Add", [source, read], ["front"]), *old])


def custom_operator(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.evil", 1))
    _in_front(model, helper.make_node("Run", [], ["evil"], domain="com.evil"), read="evil")


def unknown_operator(model: onnx.ModelProto) -> None:
    _in_front(model, helper.make_node("System", [], ["evil"], command="touch x"), read="evil")


def looped(trips: int) -> Edit:
    """A zero that it takes so many rounds to compute."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Sin", ["state"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, []),
        ],
    )
    before = (
        _constant("bomb_trips", np.array(trips, np.int64)),
        _constant("bomb_start", np.array(True)),
        _constant("bomb_zero", np.array(0, np.float32)),
        helper.make_node("Loop", ["bomb_trips", "bomb_start", "bomb_zero"], ["end"], body=body),
    )
    return lambda model: _in_front(model, *before, read="end")


def sparse(model: onnx.ModelProto) -> None:
    """A zero that is stored as the only element of a tensor that is not zero elsewhere."""
    values = numpy_helper.from_array(np.zeros(1, np.float32), "sparse")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    stored = helper.make_sparse_tensor(values, indices, [1])
    model.graph.sparse_initializer.append(stored)
    _in_front(model, read="sparse")


def endless_loop(model: onnx.ModelProto) -> None:
    looped(1 << 62)(model)


def nested(depth: int) -> Edit:
    """Branches within branches."""

    def edit(model: onnx.ModelProto) -> None:
        value = helper.make_tensor_value_info("r", TensorProto.FLOAT, [])
        leaf = helper.make_graph([_constant("r", np.zeros((), np.float32))], "leaf", [], [value])
        graph = leaf
        for _ in range(depth):
            node = helper.make_node("If", ["c"], ["r"], then_branch=graph, else_branch=leaf)
            graph = helper.make_graph([_constant("c", np.array(True)), node], "b", [], [value])
        _in_front(model, *graph.node, read="r")

    return edit


def functions(*calls: tuple[int, str], branch: bool = False) -> Edit:
    """Functions ``f0``, ``f1``, ... that call so often another one, or an operator.

    The last of them is called by the graph, or in a *branch* of it.
    """

    def edit(model: onnx.ModelProto) -> None:
        model.opset_import.append(helper.make_opsetid("own", 1))
        for i, (times, name) in enumerate(calls):
            tensors = ["x", *(f"t{k}" for k in range(1, times)), "y"]
            body = [_call(name, *pair) for pair in pairwise(tensors)]
            function = helper.make_function("own", f"f{i}", ["x"], ["y"], body, model.opset_import)
            model.functions.append(function)
        call = _call(f"f{len(calls) - 1}", model.graph.input[0].name, "r")
        _in_front(model, *(_in_branch(call) if branch else [call]), read="r")

    return edit


def overloaded(model: onnx.ModelProto) -> None:
    """A function that calls another one of its name."""
    model.ir_version = max(model.ir_version, 10)
    functions((1, "Neg"), (1, "f0"))(model)
    first, second = model.functions
    second.name, second.overload = first.name, "other"
    call = next(node for node in model.graph.node if node.op_type == "f1")
    call.op_type, call.overload = second.name, second.overload


def given_graph(*, default: bool = False) -> Edit:
    """Functions that call another twice each, of which the first puts a graph into a branch.

    It is handed down to that one, or stands there by *default*.
    """

    def edit(model: onnx.ModelProto) -> None:
        graph = helper.make_graph(
            [_constant("k", np.zeros(1, np.float32))], "given", [],
            [helper.make_tensor_value_info("k", TensorProto.FLOAT, [1])],
        )  # fmt: skip
        doubling(10)(model)
        for node in model.functions[0].node:
            node.op_type = "If"
        for function in model.functions:
            for node in function.node:
                names = ("then_branch", "else_branch") if node.op_type == "If" else ("given",)
                for name in names:
                    node.attribute.add(name=name, ref_attr_name="given", type="GRAPH")
            if default:
                function.attribute_proto.append(helper.make_attribute("given", graph))
            else:
                function.attribute.append("given")
        if not default:
            call = next(node for node in model.graph.node if node.domain == "own")
            call.attribute.append(helper.make_attribute("given", graph))

    return edit


def _call(name: str, source: str, result: str) -> onnx.NodeProto:
    return helper.make_node(name, [source], [result], domain="own" if name[0] == "f" else "")


def _in_branch(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    result = helper.make_tensor_value_info("r", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "branch", [], [result])
    branches = helper.make_node("If", ["c"], ["r"], then_branch=graph, else_branch=graph)
    return [_constant("c", np.array(True)), branches]


def doubling(count: int, *, branch: bool = False) -> Edit:
    """Functions of two calls each that stand for ``2**count`` nodes."""
    inner = ((2, f"f{i}") for i in range(count - 1))
    return functions((2, "Identity"), *inner, branch=branch)


def layers_of_one_tensor(count: int, behind: int, *, fused: bool = False) -> Edit:
    """No layers but so many that end in the last one's tensor, with a chain of nodes *behind* it.

    Or the first of them does, and the others are *fused* into it.
    """

    def many(content: dict[str, object]) -> None:
        layers = content["layers"]
        assert isinstance(layers, list)
        own = {**layers[-1], "layer": "l0"}
        others = {"class_name": "X", "fused_into": "l0"} if fused else own
        content["layers"] = [own, *({**others, "layer": f"l{i}"} for i in range(1, count))]

    def edit(model: onnx.ModelProto) -> None:
        tensors = [model.graph.input[0].name, *(f"chain{i}" for i in range(behind))]
        chain = (helper.make_node("Neg", [x], [y]) for x, y in pairwise(tensors))
        _in_front(model, *chain, read=tensors[-1])
        metadata(many)(model)

    return edit


def wide_operators(count: int, width: int) -> Edit:
    """A chain of operators of another domain, each with so many inputs and outputs."""

    def edit(model: onnx.ModelProto) -> None:
        tensors = [[model.graph.input[0].name]]
        tensors += ([f"wide{i}_{k}" for k in range(width)] for i in range(count))
        model.opset_import.append(helper.make_opsetid("another", 1))
        chain = (helper.make_node("X", x, y, domain="another") for x, y in pairwise(tensors))
        _in_front(model, *chain, read=tensors[-1][0])

    return edit


def allocation(operator: str) -> Edit:
    """A tensor of 4 TiB of zeros."""

    def edit(model: onnx.ModelProto) -> None:
        shape = _constant("bomb_shape", np.array([HUGE], np.int64))
        one = _constant("bomb_one", np.zeros(1, np.float32))
        inputs = ["bomb_shape"] if operator == "ConstantOfShape" else ["bomb_one", "bomb_shape"]
        node = helper.make_node(operator, inputs, ["bomb_many"])
        total = helper.make_node("ReduceSum", ["bomb_many"], ["bomb_total"], keepdims=0)
        _in_front(model, shape, one, node, total, read="bomb_total")

    return edit


def large_output(model: onnx.ModelProto) -> None:
    """One more output, of 4 MiB."""
    sizes, one = _constant("sizes", np.array([1 << 20])), _constant("one", np.ones(1, np.float32))
    model.graph.node.extend([sizes, one, helper.make_node("Expand", ["one", "sizes"], ["large"])])
    model.graph.output.append(helper.make_tensor_value_info("large", TensorProto.FLOAT, ["n"]))


def cycle(model: onnx.ModelProto) -> None:
    _in_front(
        model,
        helper.make_node("Neg", ["b"], ["a"]),
        helper.make_node("Neg", ["a"], ["b"]),
        read="b",
    )


def duplicate(model: onnx.ModelProto) -> None:
    node = next(n for n in model.graph.node if n.output)
    model.graph.node.append(helper.make_node("Neg", [node.input[0]], [node.output[0]]))


def undefined(model: onnx.ModelProto) -> None:
    _in_front(model, read="nowhere")


def renamed_input(model: onnx.ModelProto) -> None:
    old = model.graph.input[0].name
    model.graph.input[0].name = "other"
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = "other"


def input_of_strings(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING


def input_without_type(model: onnx.ModelProto) -> None:
    model.graph.input[0].ClearField("type")


def input_of_unknown_type(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = 9999


def enormous_input(model: onnx.ModelProto) -> None:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[-1].dim_value = (1 << 31) - 1


def large_inputs(model: onnx.ModelProto) -> None:
    """Each of them within the limit of a tensor."""
    for i in range(40):
        value = helper.make_tensor_value_info(f"large{i}", TensorProto.FLOAT, ["n", 1 << 20])
        model.graph.input.append(value)


def constant_of_unknown_type(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_type = 9999


def no_nodes(model: onnx.ModelProto) -> None:
    del model.graph.node[:]


def no_outputs(model: onnx.ModelProto) -> None:
    del model.graph.output[:]


def no_opset(model: onnx.ModelProto) -> None:
    del model.opset_import[:]


def opset(version: int) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        del model.opset_import[:]
        model.opset_import.append(helper.make_opsetid("", version))

    return edit


def hostile_names(model: onnx.ModelProto) -> None:
    model.producer_name = NAMES[0]
    model.graph.name = NAMES[1]
    for i, node in enumerate(model.graph.node):
        node.name = NAMES[i % len(NAMES)]
    # An operator of the file's own, which runs.
    body, opsets = [helper.make_node("Neg", ["a"], ["b"])], list(model.opset_import)
    model.functions.append(helper.make_function(NAMES[1], NAMES[0], ["a"], ["b"], body, opsets))
    model.opset_import.append(helper.make_opsetid(NAMES[1], 1))
    source = model.graph.input[0].name
    model.graph.node.append(helper.make_node(NAMES[0], [source], ["unread"], domain=NAMES[1]))


def not_utf8(name: Callable[[onnx.ModelProto, str], None]) -> Edit:
    """A text that *name* sets, and that no protobuf for Python would write."""

    def edit(model: onnx.ModelProto) -> None:
        name(model, "marked")
        model.ParseFromString(model.SerializeToString().replace(b"marked", b"mark\xff\xfe"))

    return edit


def text_of_tensor(model: onnx.ModelProto) -> None:
    """Bytes that are no text in a tensor of texts."""
    tensor = model.graph.initializer.add(name="texts", data_type=onnx.TensorProto.STRING, dims=[1])
    tensor.string_data.append(b"\xff")


def metadata(change: Callable[[dict[str, object]], object] | str) -> Edit:
    """Other words about itself: a text, or what a function makes of the true ones."""

    def edit(model: onnx.ModelProto) -> None:
        (entry,) = (e for e in model.metadata_props if e.key == "qconvert")
        if isinstance(change, str):
            entry.value = change
            return
        content = json.loads(entry.value)
        change(content)
        entry.value = json.dumps(content)

    return edit


def _layer(name: str, value: object) -> Edit:
    def change(content: dict[str, object]) -> None:
        layers = content["layers"]
        assert isinstance(layers, list)
        layers[-1][name] = value

    return metadata(change)


def _deeper(levels: int) -> Callable[[dict[str, object]], object]:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return lambda content: content.update(x=value)


def _keys_twice(key: str) -> Edit:
    """One program reads the first of two values, another the last."""

    def edit(model: onnx.ModelProto) -> None:
        (entry,) = (e for e in model.metadata_props if e.key == "qconvert")
        assert key in entry.value
        entry.value = entry.value.replace(key, f'{key} "another", {key}')

    return edit


def _twice(content: dict[str, object]) -> None:
    layers = content["layers"]
    assert isinstance(layers, list)
    layers.append({**layers[-1], "tensor": layers[0].get("tensor")})
