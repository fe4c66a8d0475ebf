from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.errors import BadFileError, UnsupportedError
from qconvert.frontend import build_graph
from qconvert.ir import Graph, Op
from qconvert.ir.ops import (
    Conv,
    ConvTranspose,
    Dense,
    Pool,
    Relu,
    Reshape,
    Scale,
    Softmax,
    Transpose,
    UpSample,
)
from qconvert.ir.stock import (
    FoldTime,
    LayerNormalization,
    MatMul,
    PRelu,
    Resize,
    UnfoldTime,
    UnitNormalize,
    WithConstant,
)


def build(sketch: Any, layer: Any, *shape: int | None, weights: Any = ()) -> Graph:
    config = sketch.functional([sketch.source("x", *shape), layer], ["x"], [layer["name"]])
    return build_graph(sketch.file(config, {layer["name"]: weights} if len(weights) else {}))


def pair(sketch: Any, layer: Any, *shapes: tuple[int, ...], weights: Any = ()) -> Graph:
    names = ("x", "y", "z")[: len(shapes)]
    sources = [sketch.source(name, *shape) for name, shape in zip(names, shapes, strict=True)]
    config = sketch.functional([*sources, layer], names, [layer["name"]])
    return build_graph(sketch.file(config, {layer["name"]: weights} if len(weights) else {}))


def ops(graph: Graph) -> list[Op]:
    return [node.op for node in graph.nodes]


def kinds(graph: Graph) -> list[type[Op]]:
    return [type(op) for op in ops(graph)]


def test_three_axes(sketch: Any) -> None:
    layer = sketch.conv2d(
        "c", "x", class_name="Conv3D", kernel_size=[2, 3, 1], strides=[1, 2, 1], dilation_rate=1
    )
    graph = build(sketch, layer, 4, 5, 3, 2, weights=[sketch.ramp(2, 3, 1, 2, 2)])
    assert kinds(graph) == [Conv]
    assert graph.shapes["c"] == (None, 3, 2, 3, 2)
    pool = sketch.entry(
        "MaxPooling3D", "p", "x", pool_size=[2, 2, 2], strides=None, padding="valid"
    )
    assert ops(build(sketch, pool, 4, 5, 3, 2)) == [
        Pool("max", (2, 2, 2), (2, 2, 2), ((0, 0),) * 3)
    ]


def test_dilations_of_three_transposed_axes_have_no_effect(sketch: Any) -> None:
    for class_name, axes, expected in (("Conv1DTranspose", 1, 2), ("Conv3DTranspose", 3, 1)):
        layer = sketch.conv2d(
            "c",
            "x",
            class_name=class_name,
            kernel_size=[2] * axes,
            strides=[1] * axes,
            dilation_rate=[2] * axes,
            output_padding=None,
        )
        weights = [sketch.ramp(*[2] * axes, 2, 3)]
        (op,) = ops(build(sketch, layer, *[4] * axes, 3, weights=weights))
        assert isinstance(op, ConvTranspose)
        assert op.dilations == (expected,) * axes


def test_prelu_shares_axes(sketch: Any) -> None:
    layer = sketch.entry("PReLU", "p", "x", shared_axes=[1])
    (op,) = ops(build(sketch, layer, 4, 3, weights={"alpha": sketch.ramp(1, 3)}))
    assert isinstance(op, PRelu)
    with pytest.raises(BadFileError, match="alpha has shape"):
        build(sketch, layer, 4, 3, weights={"alpha": sketch.ramp(4, 3)})


def test_thresholds_are_not_negative(sketch: Any) -> None:
    assert ops(build(sketch, sketch.entry("ThresholdedReLU", "t", "x", theta=0.5), 3)) == [
        Relu(threshold=0.5)
    ]
    with pytest.raises(BadFileError, match="theta=-1 is below 0"):
        build(sketch, sketch.entry("ThresholdedReLU", "t", "x", theta=-1.0), 3)


def test_rescaling_multiplies_first(sketch: Any) -> None:
    layer = sketch.entry("Rescaling", "r", "x", scale=0.5, offset=[1.0, 2.0])
    scale, offset = ops(build(sketch, layer, 3, 2))
    assert scale == Scale(0.5)
    assert isinstance(offset, WithConstant)
    assert_array_equal(offset.constant, [[1, 2]])


def test_normalization_takes_statistics_from_weights(sketch: Any) -> None:
    layer = sketch.entry("Normalization", "n", "x", axis=[-1], invert=False)
    arrays = {
        "mean": np.array([1, 2], np.float32),
        "variance": np.array([4, 0], np.float32),
        "count": np.array(7),
    }
    subtract, divide = ops(build(sketch, layer, 3, 2, weights=arrays))
    assert isinstance(subtract, WithConstant)
    assert isinstance(divide, WithConstant)
    assert_array_equal(subtract.constant, [[1, 2]])
    assert_array_equal(divide.constant, np.array([[2, 1e-7]], np.float32))


def test_normalization_takes_statistics_from_its_options(sketch: Any) -> None:
    options = {"axis": [1], "mean": 3.0, "variance": [4.0, 9.0, 16.0], "invert": True}
    multiply, add = ops(build(sketch, sketch.entry("Normalization", "n", "x", **options), 3, 2))
    assert isinstance(multiply, WithConstant)
    assert isinstance(add, WithConstant)
    assert_array_equal(multiply.constant, [[2], [3], [4]])
    assert_array_equal(add.constant, [[3], [3], [3]])


def test_images_are_resized(sketch: Any) -> None:
    layer = sketch.entry(
        "Resizing", "r", "x", height=2, width=3, interpolation="nearest", crop_to_aspect_ratio=False
    )
    assert ops(build(sketch, layer, 4, 5, 1)) == [Resize((4, 5), (2, 3), "nearest")]
    layer["config"].update(interpolation="bicubic", crop_to_aspect_ratio=True)
    with pytest.raises(UnsupportedError) as caught:
        build(sketch, layer, 4, 5, 1)
    assert len(caught.value.problems) == 2


def test_interpolation_needs_a_fixed_size(sketch: Any) -> None:
    layer = sketch.entry("UpSampling2D", "u", "x", size=[2, 2], interpolation="bilinear")
    assert ops(build(sketch, layer, 4, 5, 1)) == [Resize((4, 5), (8, 10), "bilinear")]
    with pytest.raises(UnsupportedError, match="unknown size"):
        build(sketch, layer, None, 5, 1)


def test_repeated_vectors(sketch: Any) -> None:
    graph = build(sketch, sketch.entry("RepeatVector", "r", "x", n=3), 5)
    assert ops(graph) == [Reshape((1, 5)), UpSample((3,))]


@pytest.mark.parametrize(
    ("axis", "epsilon", "expected"),
    [
        (-1, 1e-3, True),
        ([2], 1e-6, False),
        ([1, 2], 1e-3, True),
        ([2, 1], 1e-3, True),
        ([1], 1e-3, False),
    ],
)
def test_fused_layer_normalization(
    sketch: Any, axis: object, epsilon: float, expected: bool
) -> None:
    options = {"axis": axis, "epsilon": epsilon, "center": False, "scale": False}
    (op,) = ops(build(sketch, sketch.entry("LayerNormalization", "n", "x", **options), 4, 3))
    assert isinstance(op, LayerNormalization)
    assert op.fused is expected


def test_inputs_of_whole_numbers_are_for_embeddings_alone(sketch: Any) -> None:
    source = sketch.source("x", 4)
    source["config"]["dtype"] = "int32"
    table = sketch.entry("Embedding", "e", "x", input_dim=5, output_dim=2)
    flat = sketch.entry("Flatten", "f", "x")
    weights = {"e": [sketch.ramp(5, 2)]}
    build_graph(sketch.file(sketch.functional([source, table], ["x"], ["e"]), weights))
    config = sketch.functional([source, table, flat], ["x"], ["e", "f"])
    with pytest.raises(UnsupportedError, match="dtype='int32'"):
        build_graph(sketch.file(config, weights))


def test_dot_moves_the_axes_to_the_middle(sketch: Any) -> None:
    layer = sketch.entry("Dot", "d", ("x", "y"), axes=[1, 2], normalize=True)
    graph = pair(sketch, layer, (4, 3), (5, 4))
    assert ops(graph) == [
        UnitNormalize((1,), 1e-12),
        Transpose((0, 2, 1)),
        UnitNormalize((2,), 1e-12),
        Transpose((0, 2, 1)),
        MatMul(),
    ]
    with pytest.raises(BadFileError, match="do not multiply"):
        pair(sketch, layer, (4, 3), (4, 5))


def test_attention_wires_query_value_and_key(sketch: Any) -> None:
    layer = sketch.entry("Attention", "a", ("x", "y", "z"), use_scale=False, score_mode="dot")
    graph = pair(sketch, layer, (4, 3), (5, 2), (5, 3))
    assert kinds(graph) == [Transpose, MatMul, Softmax, MatMul]
    assert [node.inputs for node in graph.nodes] == [
        ("z",),
        ("x", "a:transpose"),
        ("a:matmul",),
        ("a:softmax", "y"),
    ]


@pytest.mark.parametrize("argument", ["use_causal_mask", "return_attention_scores"])
def test_attention_with_masks_is_refused(sketch: Any, argument: str) -> None:
    node = [[["x", 0, 0, {argument: True}], ["y", 0, 0, {argument: True}]]]
    layer = sketch.entry("Attention", "a", *node, use_scale=False)
    with pytest.raises(UnsupportedError, match=argument):
        pair(sketch, layer, (4, 3), (5, 3))


def heads(sketch: Any, arguments: Any, **options: Any) -> Any:
    return sketch.entry(
        "MultiHeadAttention",
        "m",
        [["x", 0, 0, arguments]],
        **{"num_heads": 2, "key_dim": 3, "use_bias": False, **options},
    )


def test_heads_are_one_dense_layer(sketch: Any) -> None:
    shapes = [(4, 2, 3), (4, 2, 3), (4, 2, 3), (2, 3, 4)]
    parts = ("query", "key", "value", "attention_output")
    weights = {
        f"{part}/kernel": sketch.ramp(*shape) for part, shape in zip(parts, shapes, strict=True)
    }
    graph = build(sketch, heads(sketch, {"value": ["x", 0, 0]}), 5, 4, weights=weights)
    assert kinds(graph).count(Dense) == 4
    assert graph.shapes["m"] == (None, 5, 4)
    assert set(graph.layers[-1].weights) == set(weights)


def test_archives_list_heads_by_the_names_of_attributes(sketch: Any) -> None:
    """Value, query, output, key, as the file's reader hands them on."""
    shapes = [(4, 2, 3), (4, 2, 3), (2, 3, 4), (4, 2, 3)]
    weights = [sketch.ramp(*shape) + np.float32(i) for i, shape in enumerate(shapes)]
    graph = build(sketch, heads(sketch, {"value": ["x", 0, 0]}), 5, 4, weights=weights)
    order = ("value", "query", "attention_output", "key")
    for role, array in zip(order, weights, strict=True):
        assert_array_equal(graph.layers[-1].weights[f"{role}/kernel"].raw, array)


def test_heads_over_other_axes_are_refused(sketch: Any) -> None:
    with pytest.raises(UnsupportedError, match="attention_axes"):
        build(sketch, heads(sketch, {"value": ["x", 0, 0]}, attention_axes=[1, 2]), 5, 4, 4)
    with pytest.raises(UnsupportedError, match="use_causal_mask"):
        build(sketch, heads(sketch, {"value": ["x", 0, 0], "use_causal_mask": True}), 5, 4)
    with pytest.raises(UnsupportedError, match="attention_mask"):
        arguments = {"value": ["x", 0, 0], "attention_mask": ["x", 0, 0]}
        build(sketch, heads(sketch, arguments), 5, 4)


def distributed(sketch: Any, inner: Any) -> Any:
    plain = {key: inner[key] for key in ("class_name", "config")}
    return sketch.entry("TimeDistributed", "t", "x", layer=plain)


def test_time_is_folded_around_the_layer(sketch: Any) -> None:
    layer = distributed(sketch, sketch.dense("d", activation="relu"))
    arrays = {"kernel": sketch.ramp(4, 2), "bias": sketch.ramp(2)}
    graph = build(sketch, layer, 3, 4, weights=arrays)
    assert kinds(graph) == [FoldTime, Dense, Relu, UnfoldTime]
    assert graph.shapes["t"] == (None, 3, 2)
    assert list(graph.layers[-1].weights) == ["kernel", "bias"]


def test_time_of_unknown_length_is_refused(sketch: Any) -> None:
    layer = distributed(sketch, sketch.dense("d"))
    arrays = {"kernel": sketch.ramp(4, 2), "bias": sketch.ramp(2)}
    with pytest.raises(UnsupportedError, match="fixed lengths"):
        build(sketch, layer, None, 4, weights=arrays)


def test_time_around_what_is_no_chain_is_refused(sketch: Any) -> None:
    loop = sketch.entry("SimpleRNN", "r", units=2, use_bias=False, activation="linear")
    arrays = {"kernel": sketch.ramp(4, 2), "recurrent_kernel": sketch.ramp(2, 2)}
    with pytest.raises(UnsupportedError, match="TimeDistributed around SimpleRNN, which is no"):
        build(sketch, distributed(sketch, loop), 3, 5, 4, weights=arrays)


def test_problems_inside_time_are_reported(sketch: Any) -> None:
    with pytest.raises(UnsupportedError, match="TimeDistributed around Lambda"):
        build(sketch, distributed(sketch, sketch.entry("Lambda", "l")), 3, 4)
    with pytest.raises(UnsupportedError, match="surprise"):
        build(sketch, distributed(sketch, sketch.dense("d", surprise=1)), 3, 4)
