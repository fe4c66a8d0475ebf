"""Each test damages a valid graph in one place."""

from dataclasses import replace

import numpy as np
import pytest

from qconvert.ir import Graph, Input, Layer, Node, Output, validate
from qconvert.ir.ops import Dense, Quantize, Recurrence, Relu
from qconvert.ir.quantizers import Binary, QuantizedBits, Quantizer, Ternary

KERNEL = np.zeros((3, 2), np.float32)


@pytest.fixture
def graph() -> Graph:
    return Graph(
        "model",
        (Input("x", (None, 3)),),
        (
            Node("dense", Dense(KERNEL, None), ("x",), (None, 2)),
            Node("relu", Relu(), ("dense",), (None, 2)),
        ),
        (Output("relu", "relu"),),
        (Layer("dense", "QDense", "dense"), Layer("relu", "ReLU", "relu")),
    )


def with_last(graph: Graph, node: Node) -> Graph:
    return replace(graph, nodes=(*graph.nodes[:-1], node))


def test_a_whole_graph_is_valid(graph: Graph) -> None:
    validate(graph)
    assert graph.shapes == {"x": (None, 3), "dense": (None, 2), "relu": (None, 2)}


@pytest.mark.parametrize("taken", ["x", "dense"])
def test_a_name_used_twice_is_a_fault(graph: Graph, taken: str) -> None:
    with pytest.raises(ValueError, match=f"two values are called '{taken}'"):
        validate(with_last(graph, Node(taken, Relu(), ("dense",), (None, 2))))


@pytest.mark.parametrize("read", ["relu", "later", "absent"])
def test_reading_a_value_before_it_is_computed_is_a_fault(graph: Graph, read: str) -> None:
    with pytest.raises(ValueError, match=r"'relu' reads .* before it is computed"):
        validate(with_last(graph, Node("relu", Relu(), (read,), (None, 2))))


def test_nodes_must_be_in_topological_order(graph: Graph) -> None:
    with pytest.raises(ValueError, match="'relu' reads"):
        validate(replace(graph, nodes=graph.nodes[::-1]))


def test_a_node_without_inputs_is_a_fault(graph: Graph) -> None:
    with pytest.raises(ValueError, match="reads nothing"):
        validate(with_last(graph, Node("relu", Relu(), (), (None, 2))))


def test_a_shape_that_the_op_does_not_give_is_a_fault(graph: Graph) -> None:
    with pytest.raises(ValueError, match=r"'relu' has shape \(None, 3\), its op gives"):
        validate(with_last(graph, Node("relu", Relu(), ("dense",), (None, 3))))


def test_inputs_that_do_not_fit_the_op_are_a_fault(graph: Graph) -> None:
    with pytest.raises(ValueError, match="last axis 2 is not 3"):
        validate(with_last(graph, Node("relu", Dense(KERNEL, None), ("dense",), (None, 2))))


@pytest.mark.parametrize(
    "quantizer", [QuantizedBits(alpha="auto"), Binary(alpha="auto_po2"), Ternary(alpha="auto")]
)
def test_an_activation_whose_scale_depends_on_the_batch_is_a_fault(
    graph: Graph, quantizer: Quantizer
) -> None:
    with pytest.raises(ValueError, match="depends on the batch"):
        validate(with_last(graph, Node("relu", Quantize(quantizer), ("dense",), (None, 2))))


def test_outputs_and_layers_must_refer_to_values(graph: Graph) -> None:
    with pytest.raises(ValueError, match="'result' refers to the unknown value 'gone'"):
        validate(replace(graph, outputs=(Output("result", "gone"),)))
    with pytest.raises(ValueError, match="'layer' refers to the unknown value 'gone'"):
        validate(replace(graph, layers=(Layer("layer", "ReLU", "gone"),)))


def test_a_graph_without_outputs_is_a_fault(graph: Graph) -> None:
    with pytest.raises(ValueError, match="no output"):
        validate(replace(graph, outputs=()))


def test_faults_in_a_body_are_found() -> None:
    sources = (Input("x", (None, 2)), Input("h", (None, 2)))
    body = Graph(
        "step", sources, (Node("y", Relu(), ("gone",), (None, 2)),), (Output("h", "y"),), ()
    )
    loop = Node("loop", Recurrence(body), ("x",), (None, 3, 2))
    outer = Graph("m", (Input("x", (None, 3, 2)),), (loop,), (Output("y", "loop"),), ())
    with pytest.raises(ValueError, match="'y' reads"):
        validate(outer)
