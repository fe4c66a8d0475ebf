"""What ONNX Runtime makes of exported files, and of edited ones that it computes otherwise."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from qconvert.checking.deployed.deployed_graph import inspect_deployed
from qconvert.checking.deployed.kernels import bias_of
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.pooling import may_miss_ties
from qconvert.checking.inputs import seeded
from qconvert.emit.metadata import add_metadata, read_metadata
from qconvert.runners import OrtRunner
from tests.checking.deployed_models import (
    FILES,
    Array,
    Edit,
    change,
    constant,
    exported,
    graph_of,
    insert,
    interrupted,
    node,
    own_scales,
    signed_everywhere,
    signed_weights,
    weights_only,
)

QUANTIZES = "quantizes what it multiplies while it runs"
MISSES = "rounds ties of means to the wrong code"
EARLY = "adds the bias before the sum is finished"
CONDITION = "needs a CPU with VNNI or the session option session.x64quantprecision=1"


def told(model: onnx.ModelProto) -> list[tuple[str, frozenset[str]]]:
    """What is to be said of a file, and of which layers."""
    found = inspect_deployed(LayeredFile(model), OrtRunner(model).optimized())
    return [(remark.text, remark.layers) for remark in found.violations]


def conditions(model: onnx.ModelProto) -> list[tuple[str, frozenset[str]]]:
    found = inspect_deployed(LayeredFile(model), OrtRunner(model).optimized())
    return [(remark.text, remark.layers) for remark in found.conditions]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("dialect", ["qdq", "float"])
def test_nothing_is_to_be_said_of_what_is_exported(file: str, dialect: str) -> None:
    model = exported(file, dialect=dialect)
    assert (told(model), conditions(model)) == ([], [])


@pytest.mark.parametrize(("edit", "layer"), [(interrupted, "phi2"), (weights_only, "phi1")])
def test_activations_that_the_runtime_quantizes_are_seen(edit: Edit, layer: str) -> None:
    """In the graph, and in the results: the deployed run differs."""
    model = exported("jet_deepsets.h5", edit)
    assert told(model) == [
        (f"com.microsoft.MatMulNBits {layer}/MatMul {QUANTIZES}", frozenset({layer}))
    ]
    *_, x = seeded(graph_of("jet_deepsets.h5"), 64, 0, {}).batches
    runner = OrtRunner(model)
    off, deployed = runner.run_layers(x).outputs, runner.run_deployed(x).outputs
    assert not np.array_equal(off["softmax"], deployed["softmax"])


@pytest.mark.parametrize("edit", [signed_weights, signed_everywhere])
def test_signed_8_bit_weights_are_a_condition(edit: Edit) -> None:
    """ONNX Runtime makes signed activations unsigned, so that they are no way out."""
    model = exported("jet_deepsets.h5", edit)
    assert told(model) == []
    found = conditions(model)
    assert all(CONDITION in text for text, _ in found)
    assert {"phi2", "phi3"} <= frozenset[str]().union(*(layers for _, layers in found))


def test_scales_of_channels_are_those_of_the_file() -> None:
    """Twice as large for half of them; the bias, in steps of one for all, is left out."""

    def uneven(model: onnx.ModelProto) -> None:
        own_scales(model, "qconv2d_2:conv", 32, axis=0)
        factors = np.repeat(np.array([1, 2], np.float32), 16)
        change(model, "qconv2d_2:conv/scales", lambda scales: scales * factors)
        node(model, "qconv2d_2:conv/Conv").input.pop()

    model = exported("mnist_cnn.keras", uneven)
    assert OrtRunner(model).optimized_operators()["com.microsoft:QLinearConv"] == 1
    assert told(model) == []


def test_a_factor_that_the_runtime_moves_into_a_product_is_seen() -> None:
    def scaled(model: onnx.ModelProto) -> None:
        insert(model, "phi2/MatMul", "Mul", {"factor": np.array(0.3, np.float32)})

    ((text, layers),) = told(exported("jet_deepsets.h5", scaled, "float"))
    assert text.startswith("com.microsoft.FusedMatMul") and "has weights that" in text
    assert "phi2" in layers


def test_a_factor_of_the_file_is_none_of_the_runtime() -> None:
    def scaled(model: onnx.ModelProto) -> None:
        node(model, "qdense_1:dense/Gemm").attribute.append(helper.make_attribute("alpha", 3.0))
        node(model, "qdense_1:dense/Gemm").input.pop()

    model = exported("mnist_cnn.keras", scaled)
    assert OrtRunner(model).optimized_operators()["com.microsoft:QGemm"] == 2
    assert told(model) == []


def multiplied(model: onnx.ModelProto) -> None:
    insert(model, "accum1_qa/Mul", "Mul", {"factor": np.array(0.3, np.float32)})


def normalized(model: onnx.ModelProto) -> None:
    constants = np.linspace(0.5, 1.3, 8, dtype=np.float32)
    insert(model, "accum1_qa/Mul", "BatchNormalization", dict.fromkeys("gbmv", constants))


@pytest.mark.parametrize("edit", [multiplied, normalized])
def test_weights_that_the_runtime_folds_off_the_grid_are_seen(edit: Edit) -> None:
    """The file without the edit has a product with a power of two there, which is folded too."""
    model = exported("encoder.json", edit, "float")
    assert {layer.layer for layer in OrtRunner(model).layers} >= {"conv2d_0_m", "accum1_qa"}
    ((text, layers),) = told(model)
    assert "has weights that the file has not" in text
    assert layers == {"conv2d_0_m", "accum1_qa"}


def other_bias_scale(model: onnx.ModelProto) -> None:
    change(model, "0.0078125", lambda scale: scale * 2)


def float_bias(model: onnx.ModelProto) -> None:
    bias = numpy_helper.from_array(np.full(32, 0.3, np.float32), "float_bias")
    model.graph.initializer.append(bias)
    node(model, "qconv2d_2:conv/Conv").input[2] = "float_bias"


def test_a_bias_scale_that_the_runtime_does_not_read_is_seen() -> None:
    """QGemm has the bias in steps of the products, whatever its DequantizeLinear says."""
    ((text, layers),) = told(exported("mnist_cnn.keras", other_bias_scale))
    assert text.startswith("com.microsoft.QGemm") and "a bias that the file has not" in text
    assert layers == {"qdense_2"}


def test_a_bias_that_the_runtime_rounds_is_seen() -> None:
    ((text, layers),) = told(exported("mnist_cnn.keras", float_bias))
    assert text.startswith("com.microsoft.QLinearConv") and "a bias that the file has not" in text
    assert layers == {"qconv2d_2"}


def test_scales_that_are_no_powers_of_two_are_seen() -> None:
    def stretched(model: onnx.ModelProto) -> None:
        change(model, "0.0625", lambda scale: np.float32(0.9) * scale)

    found = [
        layers
        for text, layers in told(exported("mnist_cnn.keras", stretched))
        if "no powers" in text
    ]
    assert found == [{"qdense_1"}, {"qdense_2"}]


def test_operators_that_no_proof_knows_are_seen() -> None:
    def hard(model: onnx.ModelProto) -> None:
        insert(model, "softmax/Softmax", "Hardmax")

    ((text, layers),) = told(exported("jet_deepsets.h5", hard))
    assert "is an operator that no proof knows" in text
    assert layers == {"softmax"}


def test_operators_of_another_converter_are_its_own_matter() -> None:
    """Of what it converted nothing is proven; but the runtime may not quantize it either."""

    def hard(model: onnx.ModelProto) -> None:
        insert(model, "softmax/Softmax", "Hardmax")
        interrupted(model)
        found = read_metadata(model)
        assert found
        others = [replace(x, converter="other") for x in found.layers]
        del model.metadata_props[:]
        add_metadata(model, replace(found, layers=tuple(others)))

    ((text, _),) = told(exported("jet_deepsets.h5", hard))
    assert "MatMulNBits" in text


def test_a_file_that_quantizes_by_itself_is_seen() -> None:
    def dynamic(model: onnx.ModelProto) -> None:
        product = node(model, "phi1/MatMul")
        codes = ["codes", "dynamic_scale", "dynamic_zero"]
        quantize = helper.make_node("DynamicQuantizeLinear", [product.input[0]], codes, "dynamic")
        back = helper.make_node("DequantizeLinear", codes, ["numbers"], "back")
        product.input[0] = "numbers"
        for new in (back, quantize):
            model.graph.node.insert(0, new)

    assert told(exported("jet_deepsets.h5", dynamic)) == [
        (f"DynamicQuantizeLinear dynamic {QUANTIZES}", frozenset({"phi1"}))
    ]


def one_code(codes: Array) -> Array:
    changed = codes.copy()
    changed.flat[3] += 1
    return changed


def a_little(numbers: Array) -> Array:
    changed = numbers.copy()
    changed.flat[int(np.argmax(abs(numbers)))] *= np.float32(1 + 2**-23)
    return changed


@pytest.mark.parametrize(
    ("file", "dialect", "kind", "place", "to", "layers"),
    [
        ("mnist_cnn.keras", "qdq", "QLinearConv", 3, one_code, {"qconv2d_2"}),
        ("mnist_cnn.keras", "qdq", "QLinearConv", 4, lambda s: 2 * s, {"qconv2d_2"}),
        ("mnist_cnn.keras", "qdq", "QLinearConv", 8, one_code, {"qconv2d_2"}),
        ("mnist_cnn.keras", "qdq", "QGemm", 3, one_code, {"qdense_1"}),
        ("jet_deepsets.h5", "qdq", "MatMulIntegerToFloat", 1, one_code, {"phi2"}),
        ("jet_deepsets.h5", "qdq", "MatMulIntegerToFloat", 3, lambda s: 3 * s, {"phi2", "phi3"}),
        ("encoder.json", "float", "Conv", 1, a_little, {"conv2d_0_m", "accum1_qa"}),
        ("encoder.json", "float", "Gemm", 1, a_little, {"encoded_vector"}),
    ],
)
def test_every_weight_in_the_graph_that_runs_is_compared(
    file: str, dialect: str, kind: str, place: int, to: Callable[[Array], Array], layers: set[str]
) -> None:
    """As if an optimization had changed it: by a code, or by the last bit of a float."""
    model = exported(file, dialect=dialect)
    made = OrtRunner(model).optimized()
    first = next(each for each in made.graph.node if each.op_type == kind)
    change(made, first.input[place], to)
    found = inspect_deployed(LayeredFile(model), made).violations
    assert frozenset[str]().union(*(remark.layers for remark in found)) >= layers
    assert all(" that the file has not" in x.text or "no powers" in x.text for x in found)


def test_the_weights_of_another_layer_are_none() -> None:
    model = exported("jet_deepsets.h5")
    made = OrtRunner(model).optimized()
    for name, other in (("phi2/kernel", "phi3/kernel"), ("phi3/kernel", "phi2/kernel")):
        theirs = numpy_helper.to_array(constant(model, other))
        constant(made, name).CopyFrom(numpy_helper.from_array(theirs, name))
    found = [remark.layers for remark in inspect_deployed(LayeredFile(model), made).violations]
    assert found == [{"phi2"}, {"phi3"}]


def test_a_float_bias_of_codes_is_in_no_steps() -> None:
    """MatMulIntegerToFloat adds it to the numbers; QGemm has integers, in steps of products."""
    half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
    bias = numpy_helper.from_array(np.array([3, 4], np.int32), "bias")
    graph = OnnxGraph(helper.make_graph([], "g", [], [], [half, bias]))
    empty = ["", "", "half", "half", "", "", "bias"]
    one = helper.make_node("MatMulIntegerToFloat", empty, ["y"], domain="com.microsoft")
    places = ["", "half", "", "", "half", "", "bias"]
    other = helper.make_node("QGemm", places, ["y"], domain="com.microsoft", alpha=3.0)
    for operator, expected in ((one, [3, 4]), (other, [2.25, 3])):
        found = bias_of(operator, graph)
        assert found is not None and found.tolist() == expected


def test_a_layer_that_the_runtime_leaves_out_is_seen() -> None:
    model = exported("jet_mlp.h5")
    made = OrtRunner(model).optimized()
    product = next(each for each in made.graph.node if each.op_type == "QGemm")
    name = product.input[3]
    product.op_type, product.domain = "Identity", ""
    (found,) = inspect_deployed(LayeredFile(model), made).violations
    assert found.text == "no operator has the weights that the file has"
    assert {name.partition("/")[0]} == found.layers


def test_without_layers_everything_is_concerned() -> None:
    model = exported("jet_deepsets.h5", interrupted)
    del model.metadata_props[:]
    (found,) = inspect_deployed(LayeredFile(model), OrtRunner(model).optimized()).violations
    assert found.layers == frozenset()
    assert found.concerns({"any"})


def test_weights_that_are_no_numbers_are_equal() -> None:
    def lost(model: onnx.ModelProto) -> None:
        change(
            model, "dense/kernel", lambda kernel: np.where(kernel == kernel.max(), np.nan, kernel)
        )

    assert told(exported("jet_deepsets.h5", lost)) == []


def with_its_bias(model: onnx.ModelProto) -> None:
    """The Gemm of encoded_vector takes the bias that is added behind it."""
    product, addition = node(model, "encoded_vector/Gemm"), node(model, "encoded_vector/Add")
    product.input.append(next(n for n in addition.input if n not in product.output))
    product.output[0] = addition.output[0]
    model.graph.node.remove(addition)


def as_one_of_any_matrices(model: onnx.ModelProto) -> None:
    """A MatMul and an Add, of which ONNX Runtime makes a Gemm with a bias."""
    product = node(model, "encoded_vector/Gemm")
    product.op_type = "MatMul"
    del product.attribute[:]
    change(model, product.input[1], np.transpose)


def before_a_function(model: onnx.ModelProto) -> None:
    """The same, of which ONNX Runtime makes one with what follows."""
    as_one_of_any_matrices(model)
    insert(model, "encod_qa/Mul", "Relu")


@pytest.mark.parametrize(
    ("edit", "kind"),
    [
        (with_its_bias, "Gemm"),
        (as_one_of_any_matrices, "Gemm"),
        (before_a_function, "com.microsoft.FusedGemm"),
    ],
)
def test_a_bias_that_is_added_early_is_seen(edit: Edit, kind: str) -> None:
    """In the file, or in the graph that ONNX Runtime makes of it alone."""
    model = exported("encoder.json", edit, "float")
    found = inspect_deployed(LayeredFile(model), OrtRunner(model).optimized())
    assert found.violations == ()
    (remark,) = found.early_biases
    assert remark.text.startswith(f"{kind} ") and remark.text.endswith(EARLY)
    assert "encoded_vector" in remark.layers


def test_a_convolution_that_begins_with_other_numbers_is_seen() -> None:
    """ONNX Runtime's own, of two convolutions in blocks of channels and the sum of both."""
    kernels = np.random.default_rng(0).standard_normal((2, 16, 16, 1, 1), dtype=np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["one"]),
        helper.make_node("Conv", ["x", "second"], ["other"]),
        helper.make_node("Add", ["one", "other"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "sum",
        [helper.make_tensor_value_info("x", 1, ["N", 16, 8, 8])],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(*each) for each in zip(kernels, ("first", "second"), strict=True)],
    )
    opsets = [helper.make_opsetid("", 21)]
    ((text, _),) = told(helper.make_model(graph, opset_imports=opsets, ir_version=10))
    assert text.startswith("com.microsoft.nchwc.Conv") and "begins with" in text


@pytest.mark.parametrize("file", FILES)
def test_no_bias_is_added_early_by_what_is_exported(file: str) -> None:
    model = exported(file, dialect="float")
    assert inspect_deployed(LayeredFile(model), OrtRunner(model).optimized()).early_biases == ()


def test_an_integer_bias_is_added_early_where_no_integer_kernel_runs() -> None:
    """By the file as it is drawn: Gemm takes dequantized numbers; QGemm has an exact sum."""
    model = exported("mnist_cnn.keras")
    made = OrtRunner(model).optimized()
    assert {each.op_type for each in made.graph.node} & {"Gemm", "QGemm"} == {"QGemm"}
    found = inspect_deployed(LayeredFile(model), made).early_biases
    assert {layer for remark in found for layer in remark.layers} == {"qdense_1", "qdense_2"}


def pooled(
    operator: str, shape: Sequence[int | str], finer: int, **attributes: int | str | Sequence[int]
) -> onnx.ModelProto:
    """A mean of bytes in steps of 1/4, rounded to bytes in steps *finer* powers of two larger."""
    make = helper.make_node
    nodes = [
        make("QuantizeLinear", ["x", "scale", "zero"], ["codes"]),
        make("DequantizeLinear", ["codes", "scale", "zero"], ["numbers"]),
        make(operator, ["numbers"], ["mean"]),
        make("QuantizeLinear", ["mean", "larger", "zero"], ["rounded"]),
        make("DequantizeLinear", ["rounded", "larger", "zero"], ["y"]),
    ]
    nodes[2].attribute.extend(helper.make_attribute(*each) for each in attributes.items())
    constants: dict[str, Array] = {
        "scale": np.array(0.25, np.float32),
        "larger": np.array(0.25 * 2**finer, np.float32),
        "zero": np.array(0, np.uint8),
    }
    graph = helper.make_graph(
        nodes,
        "pool",
        [helper.make_tensor_value_info("x", 1, ["N", 1, *shape])],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def missed(operator: str, side: int, finer: int) -> tuple[onnx.ModelProto, int]:
    """A mean of side * side bytes, and for how many sums the kernel of bytes returns another."""
    attributes = {"kernel_shape": [side, side]} if operator == "AveragePool" else {}
    model = pooled(operator, [side, side], finer, **attributes)
    size = side * side
    x = np.clip(np.arange(255 * size + 1)[:, None] - 255 * np.arange(size), 0, 255)
    inputs = {"x": (x / 4).astype(np.float32).reshape(-1, 1, side, side)}
    runner = OrtRunner(model)
    assert f"com.microsoft:QLinear{operator}" in runner.optimized_operators()
    off, deployed = runner.run_layers(inputs).outputs, runner.run_deployed(inputs).outputs
    return model, int((off["y"] != deployed["y"]).sum())


@pytest.mark.parametrize("operator", ["AveragePool", "GlobalAveragePool"])
@pytest.mark.parametrize("side", [1, 2, 4, 8])
@pytest.mark.parametrize("finer", [0, 1, 2])
def test_means_of_a_power_of_two_of_codes_are_what_is_drawn(
    operator: str, side: int, finer: int
) -> None:
    """For every sum of codes, ties among them: the mean is rounded once, also in one operator."""
    model, differing = missed(operator, side, finer)
    assert (differing, told(model)) == (0, [])


@pytest.mark.parametrize("operator", ["AveragePool", "GlobalAveragePool"])
def test_means_of_codes_that_miss_ties_are_seen(operator: str) -> None:
    model, differing = missed(operator, 11, 1)
    assert differing
    ((text, _),) = told(model)
    assert text.startswith(f"com.microsoft.QLinear{operator}") and MISSES in text


@pytest.mark.parametrize(
    "attributes",
    [
        {"pads": [1, 1, 1, 1]},
        {"auto_pad": "SAME_UPPER"},
        {"ceil_mode": 1, "strides": [2, 2]},
    ],
)
def test_windows_that_are_not_whole_have_other_counts(
    attributes: dict[str, int | str | Sequence[int]],
) -> None:
    """Of the 4 numbers of a window those outside do not count, where it passes a border."""
    model = pooled("AveragePool", [7, 7], 1, kernel_shape=[2, 2], **attributes)
    ((text, _),) = told(model)
    assert MISSES in text


def test_counted_padding_leaves_the_count() -> None:
    model = pooled("AveragePool", [7, 7], 1, kernel_shape=[2, 2], pads=[1] * 4, count_include_pad=1)
    assert told(model) == []


def test_a_mean_over_places_of_unknown_number_is_seen() -> None:
    ((text, _),) = told(pooled("GlobalAveragePool", ["H", 4], 1))
    assert text.startswith("com.microsoft.QLinearGlobalAveragePool") and MISSES in text


@pytest.mark.parametrize(("last", "shape"), [(0, [9, 3, 4, 4]), (1, [9, 4, 4, 3])])
def test_channels_are_no_places(last: int, shape: Sequence[int]) -> None:
    codes = helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, shape)
    graph = OnnxGraph(helper.make_graph([], "g", [codes], []))
    kind = "QLinearGlobalAveragePool"
    for other in (last, 1 - last):
        pool = helper.make_node(kind, ["x"], ["y"], domain="com.microsoft", channels_last=other)
        assert may_miss_ties(pool, graph) is (other != last)


def test_loops_are_looked_into() -> None:
    """The body of a Scan multiplies by a constant of the graph around it, or by one of its own."""
    kernel = numpy_helper.from_array(np.eye(2, dtype=np.float32) / 2, "kernel")
    values = [helper.make_tensor_value_info(n, 1, [1, 2]) for n in ("s", "x", "y", "z")]
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "kernel"], ["p"]),
            helper.make_node("Add", ["p", "s"], ["y"]),
            helper.make_node("Identity", ["y"], ["z"]),
        ],
        "body",
        values[:2],
        values[2:],
    )
    graph = helper.make_graph(
        [
            helper.make_node(
                "Scan", ["start", "xs"], ["end", "ys"], "loop", num_scan_inputs=1, body=body
            )
        ],
        "loop",
        [
            helper.make_tensor_value_info("start", 1, [1, 2]),
            helper.make_tensor_value_info("xs", 1, [3, 1, 2]),
        ],
        [helper.make_tensor_value_info("ys", 1, [3, 1, 2])],
        [kernel],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    made = OrtRunner(model).optimized()
    assert inspect_deployed(LayeredFile(model), made).violations == ()
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    constant(changed, "kernel").CopyFrom(
        numpy_helper.from_array(np.eye(2, dtype=np.float32) * 3, "kernel")
    )
    (found,) = inspect_deployed(LayeredFile(model), OrtRunner(changed).optimized()).violations[:1]
    assert "has weights that the file has not" in found.text
