"""The file as a whole: names, shapes, metadata, opsets, bytes."""

import json
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from qconvert.emit import to_onnx
from qconvert.emit.metadata import (
    KEY,
    CodesTensor,
    InputTensor,
    InterfaceCodes,
    LayerTensor,
    ModelMetadata,
    OutputTensor,
    Requirements,
    add_metadata,
    read_metadata,
)
from qconvert.errors import UsageError
from qconvert.ir import F32, Graph, Input, Layer, Node, Output
from qconvert.ir.ops import Conv, Dense, Merge, Pool, Quantize, Reshape, Transpose
from qconvert.ir.quantizers import QuantizedBits, QuantizedPo2, QuantizedRelu

from .conftest import Make, Run, execute

Codes = Callable[..., F32]


@pytest.fixture
def network(make: Make, codes: Codes) -> Graph:
    conv = Conv(codes(-7, 7, -4, 3, 3, 2, 4), codes(-9, 9, -6, 4), (1, 1), (1, 1), ((1, 1), (1, 1)))
    return make(
        {"image": (6, 5, 2)},
        [
            ("quantized", Quantize(QuantizedBits(8, 0, alpha=1.0)), ["image"]),
            ("conv", conv, ["quantized"]),
            ("act", Quantize(QuantizedRelu(4, 2)), ["conv"]),
            ("pool", Pool("max", (2, 2), (2, 2), ((0, 0), (0, 0))), ["act"]),
            ("flat", Reshape((-1,)), ["pool"]),
            ("dense", Dense(codes(-100, 100, -4, 24, 5), None), ["flat"]),
            ("po2", Quantize(QuantizedPo2(4)), ["dense"]),
        ],
        outputs=("po2", "act"),
    )


@pytest.fixture
def image(codes: Codes) -> F32:
    return codes(-500, 500, -8, 3, 6, 5, 2)


def test_inputs_and_outputs_are_keras_s(network: Graph) -> None:
    graph = to_onnx(network).graph
    described = [
        (value.name, [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim])
        for value in (*graph.input, *graph.output)
    ]
    assert described == [
        ("image", ["batch", 6, 5, 2]),
        ("po2", ["batch", 5]),
        ("act", ["batch", 6, 5, 4]),
    ]


@pytest.mark.parametrize("dialect", ["qdq", "float"])
def test_metadata_leads_to_every_layer_s_output(network: Graph, image: F32, dialect: str) -> None:
    """Compared with the same layer as the output of a model of its own."""
    model = to_onnx(network, dialect=dialect)
    metadata = read_metadata(model)
    assert metadata is not None
    assert metadata.dialect == dialect
    assert [layer.layer for layer in metadata.layers] == [node.name for node in network.nodes]
    known = {value.name for value in (*model.graph.input, *model.graph.output)}
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    layers = [layer for layer in metadata.layers if layer.fused_into is None]
    tensors = [layer.codes.tensor if layer.codes else layer.tensor for layer in layers]
    for name in {str(tensor) for tensor in tensors} - known:
        tapped.graph.output.append(onnx.ValueInfoProto(name=name))
    values = {
        output.name: value
        for output, value in zip(
            tapped.graph.output, ReferenceEvaluator(tapped).run(None, {"image": image}), strict=True
        )
    }
    for layer, tensor in zip(layers, tensors, strict=True):
        value = values[str(tensor)]
        if layer.codes:
            steps = value.astype(np.float32) - layer.codes.zero_point
            value = np.ldexp(steps, np.array(layer.codes.exp))
        value = value if layer.perm is None else value.transpose(layer.perm)
        alone = Graph("alone", network.inputs, network.nodes, (Output("it", layer.layer),), ())
        ran = execute(to_onnx(alone, dialect=dialect), image)
        np.testing.assert_array_equal(value, ran.plain[0])


def test_layer_that_exists_as_codes_alone_says_so(network: Graph) -> None:
    metadata = read_metadata(to_onnx(network))
    assert metadata is not None
    pool = next(layer for layer in metadata.layers if layer.layer == "pool")
    assert pool == LayerTensor(
        "pool", "Layer", None, (0, 2, 3, 1), CodesTensor("pool/MaxPool", -2, 0)
    )


def test_metadata_survives_writing_and_reading() -> None:
    layers = (
        LayerTensor("a/b@1", "QDense", None, (0, 2, 1), CodesTensor("c", -3, 128)),
        LayerTensor("d", "Dense", "e", None, None),
    )
    model = onnx.ModelProto()
    assert read_metadata(model) is None
    codes = InterfaceCodes("uint8", 0, 255, divisor=255)
    metadata = ModelMetadata(
        layers,
        (OutputTensor("out", "out_1"), OutputTensor("b", "b", InterfaceCodes("int8", -8, 7, -3))),
        "qdq",
        (InputTensor("x", "x", codes, ("x/Div",)),),
        "0f" * 32,
        "1.2.3",
        Requirements({"session.x64quantprecision": "1"}, ("VNNI",), ("ACCURACY",)),
    )
    add_metadata(model, metadata)
    assert read_metadata(model) == metadata
    stated = json.loads(model.metadata_props[0].value)
    # Of what is as in most files nothing is written.
    assert stated["layers"][1] == {"layer": "d", "class_name": "Dense", "tensor": "e"}
    assert stated["outputs"][0] == {"output": "out", "tensor": "out_1"}


WHOLE: dict[str, object] = {
    "schema": "qconvert.metadata/3",
    "dialect": "qdq",
    "converter": "1.2.3",
    "inputs": [],
    "outputs": [],
    "layers": [],
}
LAYER: dict[str, object] = {"layer": "l", "class_name": "C", "tensor": "t"}
CODES: dict[str, object] = {"type": "uint8", "lo": 0, "hi": 255, "divisor": 255}
INPUT: dict[str, object] = {"input": "x", "tensor": "x", "codes": CODES}
#: One thing of `WHOLE` at a time.
DAMAGES: list[dict[str, object]] = [
    {"schema": "qconvert.metadata/2"},
    {"source": "no hash"},
    {"requires": {"session_options": []}},
    {"inputs": [{"input": "x"}]},
    {"inputs": [INPUT | {"codes": CODES | {"type": "float64"}}]},
    {"inputs": [INPUT | {"codes": CODES | {"divisor": 0}}]},
    {"inputs": [INPUT | {"numbers": None}]},
    {"outputs": [{"output": "y", "tensor": "y", "codes": CODES | {"lo": 256}}]},
    {"layers": [LAYER | {"perm": [0, 9]}]},
    {"layers": [LAYER | {"codes": {"tensor": "t", "exp": 1000000, "zero_point": 0}}]},
    {"layers": [LAYER | {"codes": {"tensor": "t", "exp": [0, 1000000]}}]},
    {"layers": [LAYER | {"codes": {"tensor": "t", "exp": []}}]},
]


def test_metadata_that_is_whole_is_read() -> None:
    model = onnx.ModelProto()
    model.metadata_props.add(key=KEY, value=json.dumps(WHOLE | {"layers": [LAYER]}))
    assert read_metadata(model) == ModelMetadata(
        (LayerTensor("l", "C", "t"),), dialect="qdq", converter="1.2.3"
    )


@pytest.mark.parametrize(
    "damage",
    [
        "{}",
        "[]",
        '{"schema":"other"}',
        "nonsense",
        *(json.dumps({name: x for name, x in WHOLE.items() if name != gone}) for gone in WHOLE),
        *(json.dumps(WHOLE | damage) for damage in DAMAGES),
    ],
)
def test_damaged_metadata_is_an_error(damage: str) -> None:
    model = onnx.ModelProto()
    model.metadata_props.add(key=KEY, value=damage)
    with pytest.raises(ValueError, match="the metadata is damaged"):
        read_metadata(model)


def test_no_node_is_without_use(network: Graph) -> None:
    graph = to_onnx(network).graph
    read = {name for node in graph.node for name in node.input}
    read |= {value.name for value in graph.output}
    assert {name for node in graph.node for name in node.output} <= read
    assert {value.name for value in graph.initializer} <= read


def test_constants_are_stored_once(network: Graph) -> None:
    contents = [
        (t.data_type, tuple(t.dims), t.raw_data) for t in to_onnx(network).graph.initializer
    ]
    assert len(contents) == len(set(contents))


def test_same_graph_gives_the_same_bytes(network: Graph) -> None:
    first = to_onnx(network).SerializeToString(deterministic=True)
    assert to_onnx(network).SerializeToString(deterministic=True) == first
    assert json.loads(to_onnx(network).metadata_props[0].value)["schema"] == "qconvert.metadata/3"


@pytest.mark.parametrize("opset", [13, 17, 21, 26])
@pytest.mark.parametrize("dialect", ["qdq", "float"])
def test_every_opset_gives_the_same_numbers(
    network: Graph, run: Run, image: F32, opset: int, dialect: str
) -> None:
    expected = run(network, image).plain
    for batch in (image, image[:1]):
        found = run(network, batch, opset=opset, dialect=dialect).plain
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other[: len(batch)])


def test_onnx_s_own_evaluator_gives_the_same_numbers(network: Graph, run: Run, image: F32) -> None:
    for dialect in ("qdq", "float"):
        found = ReferenceEvaluator(to_onnx(network, dialect=dialect)).run(None, {"image": image})
        for one, other in zip(found, run(network, image).plain, strict=True):
            np.testing.assert_array_equal(one, other)


def test_old_runtimes_can_read_old_opsets(network: Graph) -> None:
    assert [to_onnx(network, opset=opset).ir_version for opset in (13, 17, 21)] == [7, 8, 10]


@pytest.mark.parametrize(
    "arguments",
    [{"opset": 12}, {"opset": 999}, {"opset": "21"}, {"opset": 21.0}, {"dialect": "other"}],
)
def test_unknown_dialect_or_opset_is_an_error(network: Graph, arguments: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        to_onnx(network, **arguments)  # type: ignore[arg-type]


def test_names_that_collide_are_kept_apart(run: Run) -> None:
    """An output called like an input, one like another node, and a value that is output twice."""
    double = Merge("add")
    shape = (None, 2, 3)
    turned = (None, 3, 2)
    nodes = (
        Node("b", double, ("a", "a"), shape),
        Node("c", Transpose((0, 2, 1)), ("b",), turned),
        Node("b/Add", double, ("c", "c"), turned),
    )
    outputs = (Output("a", "b"), Output("b", "c"), Output("c", "c"), Output("d", "b/Add"))
    layers = tuple(Layer(node.name, "Layer", node.name) for node in nodes)
    graph = Graph("names", (Input("a", shape),), nodes, outputs, layers)
    x = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    ran = run(graph, x)
    turn = x.transpose(0, 2, 1)
    for found, expected in zip(ran.plain, (2 * x, 2 * turn, 2 * turn, 4 * turn), strict=True):
        np.testing.assert_array_equal(found, expected)
    names = [value.name for value in to_onnx(graph).graph.output]
    assert names[1:] == ["b", "c", "d"]


def test_input_can_be_an_output(run: Run) -> None:
    graph = Graph("x", (Input("x", (None, 2)),), (), (Output("y", "x"),), (Layer("x", "I", "x"),))
    x = np.ones((2, 2), np.float32)
    np.testing.assert_array_equal(run(graph, x).plain[0], x)
    metadata = read_metadata(to_onnx(graph))
    assert metadata is not None
    assert metadata.layers == (LayerTensor("x", "I", "x", None, None),)
    assert metadata.outputs == (OutputTensor("y", "y"),)


def test_an_input_that_is_an_output_under_its_own_name_is_told_in_the_metadata() -> None:
    graph = Graph("x", (Input("x", (None, 2)),), (), (Output("x", "x"),), (Layer("x", "I", "x"),))
    model = to_onnx(graph)
    metadata = read_metadata(model)
    assert metadata is not None
    assert metadata.outputs == (OutputTensor("x", model.graph.output[0].name),)
    assert model.graph.output[0].name != "x"
