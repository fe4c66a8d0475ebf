"""Options, calls and weights of layers as Keras 3 writes them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from qconvert.errors import UnsupportedError
from qconvert.frontend import build_graph
from qconvert.ir import Graph, Op
from qconvert.ir.ops import Dense, Scale, Softmax, Transpose
from qconvert.ir.stock import LayerNormalization, MatMul, Resize, UnitNormalize, WithConstant

CELL: dict[str, Any] = {
    "units": 2,
    "use_bias": True,
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "seed": 7,
    "dropout": 0.5,
    "zero_output_for_mask": False,
}


def tensor(name: str) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}


X, Y = tensor("x"), tensor("y")


def layer(
    sketch: Any,
    class_name: str,
    args: Any = (X,),
    kwargs: Mapping[str, Any] | None = None,
    **c: Any,
) -> dict[str, Any]:
    entry: dict[str, Any] = sketch.entry(class_name, "f", **c)
    return {**entry, "inbound_nodes": [{"args": list(args), "kwargs": kwargs or {}}]}


def build(sketch: Any, one: Any, *shape: int, weights: Any = (), version: str = "3.15.1") -> Graph:
    sources = [sketch.source("x", *shape), sketch.source("y", *shape)]
    config = sketch.functional([*sources, one], ["x", "y"], ["f"])
    file = sketch.file(config, {"f": weights} if len(weights) else {})
    return build_graph(type(file)(file.path, None, file.sha256, version, file.config, file.weights))


def ops(graph: Graph) -> list[Op]:
    return [node.op for node in graph.nodes]


def heads(sketch: Any, *args: Any, kwargs: Any = None, **options: Any) -> Any:
    known = {"num_heads": 2, "key_dim": 2, "use_bias": False, "seed": 3, **options}
    return layer(sketch, "MultiHeadAttention", args, kwargs, **known)


def projections() -> dict[str, Any]:
    """In Keras's order, full of numbers: 0 for the query, 1 for the value, 2 for the key."""
    numbers = {"query": 0, "key": 2, "value": 1, "attention_output": 3}
    return {
        f"{role}/kernel": np.full((2, 2, 4) if number == 3 else (4, 2, 2), number, np.float32)
        for role, number in numbers.items()
    }


WAYS = [
    ((X, X), {}, ["x", "x", "x"]),
    ((X, Y), {"training": False}, ["x", "y", "y"]),
    ((X, Y, X), {}, ["x", "y", "x"]),
    ((X,), {"value": Y}, ["x", "y", "y"]),
    ((), {"value": Y, "query": X}, ["x", "y", "y"]),
    ((), {"query": X, "key": Y, "value": X}, ["x", "x", "y"]),
]


@pytest.mark.parametrize(("args", "kwargs", "expected"), WAYS)
def test_attention_is_called_in_all_ways(
    sketch: Any, args: Any, kwargs: Any, expected: list[str]
) -> None:
    """What query, value and key are made of."""
    graph = build(sketch, heads(sketch, *args, kwargs=kwargs), 5, 4, weights=projections())
    read = {int(n.op.kernel.flat[0]): n.inputs[0] for n in graph.nodes if isinstance(n.op, Dense)}
    assert [read[number] for number in range(3)] == expected


@pytest.mark.parametrize(("dropout", "version"), [(0.0, "2.15.0"), (0.5, "3.15.1")])
def test_scores_are_scaled_where_the_query_was(sketch: Any, dropout: float, version: str) -> None:
    def kinds(dropout: float, version: str) -> list[type[Op]]:
        one = heads(sketch, X, X, dropout=dropout)
        graph = build(sketch, one, 5, 4, weights=projections(), version=version)
        kept = (Scale, MatMul, Softmax)
        return [type(op) for op in ops(graph) if isinstance(op, kept)]

    assert kinds(0.0, "3.15.1") == [MatMul, Scale, Softmax, MatMul]
    assert kinds(dropout, version) == [Scale, MatMul, Softmax, MatMul]


def recurrent_weights(sketch: Any, columns: int) -> list[Any]:
    return [sketch.ramp(4, columns), sketch.ramp(2, columns), sketch.ramp(columns)]


def test_an_lstm_adds_its_bias_last_unless_its_cell_drops_states(sketch: Any) -> None:
    def last(**changed: Any) -> bool:
        one = layer(sketch, "LSTM", **{**CELL, **changed})
        loop = build(sketch, one, 5, 4, weights=recurrent_weights(sketch, 8)).nodes[0].op
        return any(isinstance(node.op, WithConstant) for node in loop.body.nodes)  # type: ignore[union-attr]

    assert last() and last(unroll=True)
    assert not last(recurrent_dropout=0.5)
    assert not last(implementation=1)


@pytest.mark.parametrize("states", [[Y], Y])
def test_first_states_follow_the_sequence(sketch: Any, states: Any) -> None:
    cell = {k: v for k, v in CELL.items() if k != "recurrent_activation"}
    one = layer(sketch, "SimpleRNN", (), {"sequences": X, "initial_state": states}, **cell)
    sources = [sketch.source("x", 5, 4), sketch.source("y", 2)]
    config = sketch.functional([*sources, one], ["x", "y"], ["f"])
    file = sketch.file(config, {"f": recurrent_weights(sketch, 2)})
    graph = build_graph(type(file)(file.path, None, file.sha256, "3.1", file.config, file.weights))
    assert graph.nodes[0].inputs == ("x", "y")


def test_layers_inside_are_of_the_flavour_of_the_model(sketch: Any) -> None:
    function = {"class_name": "function", "config": "hard_sigmoid"}
    options = {**CELL, "name": "i", "recurrent_activation": function}
    inner = {"class_name": "qkeras>QLSTM", "config": options}
    one = layer(sketch, "qkeras>QBidirectional", layer=inner, merge_mode="sum")
    halves = 2 * recurrent_weights(sketch, 8)
    (loop, *_) = ops(build(sketch, one, 5, 4, weights=halves))
    assert "HARD_SIGMOID_3" in str(loop)


RESIZING: dict[str, Any] = {
    "height": 3,
    "width": 5,
    "interpolation": "bilinear",
    "crop_to_aspect_ratio": False,
    "pad_to_aspect_ratio": False,
    "fill_mode": "constant",
    "fill_value": 2.0,
    "antialias": False,
    "data_format": "channels_last",
}


def test_images_are_resized_in_training_too(sketch: Any) -> None:
    one = layer(sketch, "Resizing", (X,), {"training": True}, **RESIZING)
    assert ops(build(sketch, one, 4, 6, 2)) == [Resize((4, 6), (3, 5), "bilinear")]
    one = layer(sketch, "Resizing", **{**RESIZING, "data_format": "channels_first"})
    there, resize, back = ops(build(sketch, one, 2, 4, 6))
    assert (there, back) == (Transpose((0, 2, 3, 1)), Transpose((0, 3, 1, 2)))
    assert resize == Resize((4, 6), (3, 5), "bilinear")


NORMALIZED: dict[str, Any] = {
    "axis": -1,
    "epsilon": 0.001,
    "center": False,
    "scale": False,
    "rms_scaling": False,
}


def test_normalizations_differ_from_keras_2(sketch: Any) -> None:
    for version, epsilon, fused in (("2.15.0", 1e-12, True), ("3.15.1", 1e-24, False)):
        (op,) = ops(build(sketch, layer(sketch, "UnitNormalization"), 4, version=version))
        assert op == UnitNormalize((1,), epsilon)
        one = layer(sketch, "LayerNormalization", **NORMALIZED)
        (norm,) = ops(build(sketch, one, 4, version=version))
        assert isinstance(norm, LayerNormalization) and norm.fused is fused
    for version, epsilon in (("2.15.0", 1e-12), ("3.15.1", 1e-14)):
        one = layer(sketch, "Dot", ([X, Y],), axes=2, normalize=True)
        unit, *_ = ops(build(sketch, one, 5, 4, version=version))
        assert unit == UnitNormalize((2,), epsilon)


@pytest.mark.parametrize(
    ("class_name", "role"),
    [("DepthwiseConv2D", "kernel"), ("QDepthwiseConv2D", "depthwise_kernel")],
)
def test_a_depthwise_kernel_has_another_name(sketch: Any, class_name: str, role: str) -> None:
    one = sketch.conv2d("f", class_name=class_name, depth_multiplier=1)
    del one["config"]["filters"]
    one["inbound_nodes"] = [{"args": [X], "kwargs": {}}]
    graph = build(sketch, one, 5, 5, 2, weights={role: sketch.ramp(3, 3, 2, 1)})
    assert list(graph.layers[-1].weights) == [role]


@pytest.mark.parametrize("class_name", ["SpatialDropout2D", "SpatialDropout3D", "Identity"])
def test_nothing_is_done_at_inference(sketch: Any, class_name: str) -> None:
    one = layer(sketch, class_name, rate=0.5, seed=None, data_format="channels_first")
    assert ops(build(sketch, one, 4)) == []


REFUSED = [
    ("LayerNormalization", {**NORMALIZED, "rms_scaling": True}, {}, "rms_scaling=True"),
    ("Embedding", {"input_dim": 3, "output_dim": 2, "quantization_config": {}}, {}, "quantization"),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 2, "use_gate": True}, {}, "use_gate=True"),
    (
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 2, "sliding_window": 3},
        {},
        "sliding_window",
    ),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 2}, {"query_mask": Y}, "query_mask"),
    ("Resizing", {**RESIZING, "antialias": True}, {}, "antialias=True"),
    ("Resizing", {**RESIZING, "pad_to_aspect_ratio": True}, {}, "pad_to_aspect_ratio=True"),
    ("Dropout", {"rate": 0.5}, {"training": True}, "called with training=True"),
]


@pytest.mark.parametrize(("class_name", "options", "kwargs", "reason"), REFUSED)
def test_options_with_an_effect_are_refused(
    sketch: Any, class_name: str, options: Any, kwargs: Any, reason: str
) -> None:
    args = (X, X) if class_name == "MultiHeadAttention" else (X,)
    one = layer(sketch, class_name, args, kwargs, **options)
    with pytest.raises(UnsupportedError, match=reason):
        build(sketch, one, 5, 4)


@pytest.mark.parametrize("class_name", ["Attention", "AdditiveAttention"])
def test_seeds_are_without_effect(sketch: Any, class_name: str) -> None:
    one = layer(sketch, class_name, ([X, Y],), use_scale=False, dropout=0.5, seed=4)
    graph = build(sketch, one, 5, 4)
    assert graph.shapes["f"] == (None, 5, 4)


@pytest.mark.parametrize(("filters", "refused"), [(6, True), (5, False)])
def test_a_bias_as_long_as_the_last_axis_is_refused(
    sketch: Any, filters: int, refused: bool
) -> None:
    """``keras.ops.add`` takes it for one of that axis; the result is (filters, 3, 6)."""
    options = {"filters": filters, "data_format": "channels_first", "use_bias": True}
    one = sketch.conv2d("f", class_name="Conv2DTranspose", **options)
    one["inbound_nodes"] = [{"args": [X], "kwargs": {}}]
    weights = [sketch.ramp(3, 3, filters, 2), sketch.ramp(filters)]
    if not refused:
        assert build(sketch, one, 2, 1, 4, weights=weights).shapes["f"] == (None, filters, 3, 6)
        return
    with pytest.raises(UnsupportedError, match="as long as the last axis"):
        build(sketch, one, 2, 1, 4, weights=weights)
    assert build(sketch, one, 2, 1, 4, weights=weights, version="2.15.0")


def test_what_qkeras_v3_cannot_run_is_refused(sketch: Any) -> None:
    quantizer = {"class_name": "quantized_bits", "registered_name": "qkeras>quantized_bits"}
    known = {**quantizer, "config": {"bits": 4, "alpha": 1}}
    options = {**CELL, "implementation": 2, "kernel_quantizer": known}
    one = layer(sketch, "qkeras>QGRU", **options, reset_after=False)
    with pytest.raises(UnsupportedError, match="implementation=2"):
        build(sketch, one, 5, 4)
    for changed in ({"padding": "causal"}, {"data_format": "channels_first", "use_bias": True}):
        one = sketch.conv2d("f", class_name="qkeras>QConv1D", kernel_quantizer=known)
        one["config"] |= {"kernel_size": [3], "strides": [1], "dilation_rate": [1], **changed}
        one["inbound_nodes"] = [{"args": [X], "kwargs": {}}]
        with pytest.raises(UnsupportedError, match="qkeras-v3 cannot run"):
            build(sketch, one, 5, 4)
    one = layer(sketch, "qkeras>QGRU", **options, reset_after=True)
    weights = [sketch.ramp(4, 6), sketch.ramp(2, 6), sketch.ramp(2, 6)]
    assert build(sketch, one, 5, 4, weights=weights)
