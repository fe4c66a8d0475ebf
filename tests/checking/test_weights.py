from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from qconvert.checking.results import Verdict
from qconvert.checking.weights import compare_weights, with_weights
from qconvert.ir import F32, Folding, Graph, Input, Layer, Node, Output, Weight
from qconvert.ir.ops import Conv, Dense, Op
from qconvert.ir.quantizers import QuantizedBits
from qconvert.numerics import quantize
from tests.checking.stand_in import StandIn

FOUR_BITS = QuantizedBits(4, 0, alpha=1.0)
#: The first number is a tie of the quantizer, whose codes are eighths; its code is even.
FOLDED = np.array([[0.3125, 0.2]], np.float32)
BIAS = np.array([0.7, -0.4], np.float32)


def folded_weight(values: F32, quantizer: QuantizedBits | None) -> Weight:
    effective = values if quantizer is None else quantize(quantizer, values)
    return Weight(values, effective, quantizer, Folding(values, abs(values)))


def graph_of(*names: str, op: Op | None = None) -> Graph:
    """Calls of one folded layer, the first of *names*."""
    weights = {"kernel": folded_weight(FOLDED, FOUR_BITS), "bias": folded_weight(BIAS, None)}
    used = op or Dense(weights["kernel"].effective, BIAS)
    nodes = tuple(Node(f"{name}:0", used, ("x",), (None, 2)) for name in names)
    return Graph(
        "folded",
        (Input("x", (None, 1)),),
        nodes,
        (Output("y", nodes[-1].name),),
        (Layer(names[0], "QDenseBatchnorm", nodes[0].name, weights),),
    )


def theirs(folded: F32, bias: F32 = BIAS) -> StandIn:
    """QKeras that has folded to other numbers and quantized these."""
    return StandIn(
        {"layer/kernel": quantize(FOUR_BITS, folded), "layer/bias": bias},
        {"layer/kernel": folded, "layer/bias": bias},
    )


def verdicts(qkeras: StandIn) -> list[Verdict]:
    return [w.verdict for w in compare_weights(graph_of("layer"), qkeras).results]


def up(x: F32, ulps: int) -> F32:
    moved: F32 = (x.view(np.int32) + np.int32(ulps)).view(np.float32)
    return moved


def test_equal_weights_are_proven() -> None:
    assert verdicts(theirs(FOLDED)) == [Verdict.PROVEN, Verdict.PROVEN]


@pytest.mark.parametrize(("ulps", "verdict"), [(3, Verdict.BOUNDED), (300, Verdict.DIFFERS)])
def test_another_code_is_rounding_where_the_folded_number_is(ulps: int, verdict: Verdict) -> None:
    compared = compare_weights(graph_of("layer"), theirs(up(FOLDED, ulps)))
    kernel, bias = compared.results
    assert (kernel.verdict, bias.verdict) == (verdict, Verdict.PROVEN)
    assert kernel.difference.differing == 1
    assert (compared.rounded != {}) == (verdict is Verdict.BOUNDED)


def test_a_code_that_does_not_follow_from_the_folded_number_differs() -> None:
    qkeras = theirs(up(FOLDED, 3))
    wrong = replace(qkeras, effective={**qkeras.effective, "layer/kernel": -FOLDED})
    assert verdicts(wrong) == [Verdict.DIFFERS, Verdict.PROVEN]


def test_a_weight_of_ours_that_does_not_follow_from_the_folded_number_differs() -> None:
    graph = graph_of("layer")
    weights = graph.layers[0].weights
    raw = {**weights, "kernel": replace(weights["kernel"], effective=FOLDED)}
    unquantized = replace(graph, layers=(replace(graph.layers[0], weights=raw),))
    compared = compare_weights(unquantized, theirs(up(FOLDED, 3)))
    assert compared.results[0].verdict is Verdict.DIFFERS


def test_a_weight_that_is_not_folded_has_no_excuse() -> None:
    graph = graph_of("layer")
    plain = {role: replace(w, folding=None) for role, w in graph.layers[0].weights.items()}
    unfolded = replace(graph, layers=(replace(graph.layers[0], weights=plain),))
    compared = compare_weights(unfolded, theirs(up(FOLDED, 3)))
    assert compared.results[0].verdict is Verdict.DIFFERS


def test_every_call_of_the_layer_gets_the_other_weights_and_no_other_layer() -> None:
    kernel = np.array([[1.0, 2.0]], np.float32)
    graph = graph_of("model/layer", "model@1/layer@2", "model/layer_2")
    first, second, other = with_weights(graph, {"model/layer": {"kernel": kernel}}).nodes
    for node in (first, second):
        assert isinstance(node.op, Dense) and node.op.bias is not None
        assert_array_equal(node.op.kernel, kernel)
        assert_array_equal(node.op.bias, BIAS)
    assert other is graph.nodes[2]


def test_a_depthwise_kernel_gets_the_shape_that_the_op_has() -> None:
    op = Conv(np.zeros((1, 1, 1, 2), np.float32), BIAS, (1, 1), (1, 1), ((0, 0), (0, 0)), groups=2)
    kernel = np.array([3.0, 4.0], np.float32).reshape(1, 1, 2, 1)
    graph = graph_of("layer", op=op)
    (node,) = with_weights(graph, {"layer": {"kernel": kernel}}).nodes
    assert isinstance(node.op, Conv)
    assert_array_equal(node.op.kernel, kernel.reshape(1, 1, 1, 2))
