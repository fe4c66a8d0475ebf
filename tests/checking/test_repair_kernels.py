"""Kernels that round get other numbers until their codes are those of TensorFlow's place."""

from dataclasses import replace
from typing import Final

import numpy as np
import onnx
import pytest

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.stored import stored_weights
from qconvert.checking.repair.moves import MOST_ULPS, read_moves, write_moves
from qconvert.checking.results import Report, Verdict
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Grid, Input, Layer, Node, Op, Output, Shape, Weight, infer_shape
from qconvert.ir.ops import BatchNormalization, Conv, ConvTranspose, Quantize
from qconvert.ir.quantizers import QuantizedBits

from .deployed_models import change
from .judging import kernel_in
from .repairing import check, repair

CHANNELS: Final = 8
CHANNEL: Final = 2
#: Of the sums.
STEP: Final = 2.0**-2


def network(
    seed: int,
    ulps: int = 0,
    more: float = 0.0,
    *,
    fused: bool = True,
    transposed: bool = False,
    bits: int = 5,
) -> Graph:
    """A convolution, a normalization and a quantizer, with a sum next to a tie in every channel.

    The offset of the normalization is off by some units in the last place, or in one channel by
    *more*.
    """
    random = np.random.default_rng(seed)
    kernel = (random.integers(-7, 8, (2, 2, 3, CHANNELS)) / 8).astype(np.float32)
    conv: Conv | ConvTranspose = Conv(kernel, None, (1, 1), (1, 1), ((0, 0), (0, 0)))
    if transposed:
        crop = ((0, 0), (0, 0))
        conv = ConvTranspose(np.swapaxes(kernel, -1, -2).copy(), None, (2, 2), (1, 1), crop)
    mean = random.normal(0, 1, CHANNELS).astype(np.float32)
    variance = random.uniform(0.5, 4, CHANNELS).astype(np.float32)
    gamma = random.normal(1, 0.3, CHANNELS).astype(np.float32)
    sums = STEP * np.arange(1, CHANNELS + 1, dtype=np.float32)
    ties = 2.0 ** (4 - bits) * (np.floor(random.uniform(-6, 6, CHANNELS)) + 0.5)
    beta = (ties - (sums - mean) / np.sqrt(variance + np.float32(1e-3)) * gamma).astype(np.float32)
    for _ in range(abs(ulps)):
        beta = np.nextafter(beta, np.float32(np.sign(ulps) * 99))
    beta[CHANNEL] += np.float32(more)
    return chained(
        Quantize(QuantizedBits(4, 1, alpha=1.0)),
        conv,
        BatchNormalization(mean, variance, gamma, beta, 1e-3, fused),
        Quantize(QuantizedBits(bits, 3, alpha=1.0)),
    )


def chained(first: Op, conv: Conv | ConvTranspose, bn: BatchNormalization, last: Op) -> Graph:
    name = "x"
    shape: Shape = (None, 4, 4, 3)
    nodes: list[Node] = []
    for own, op in zip(("q", "conv", "bn", "act"), (first, conv, bn, last), strict=True):
        shape = infer_shape(op, shape)
        nodes.append(Node(own, op, (name,), shape))
        name = own
    assert bn.gamma is not None and bn.beta is not None
    arrays = {
        "conv": {"kernel": conv.kernel},
        "bn": {
            "gamma": bn.gamma,
            "beta": bn.beta,
            "moving_mean": bn.mean,
            "moving_variance": bn.variance,
        },
    }
    layers = (
        Layer(
            n.name, "L", n.name, {r: Weight(x, x, None) for r, x in arrays.get(n.name, {}).items()}
        )
        for n in nodes
    )
    inputs = (Input("x", (None, 4, 4, 3)),)
    return Graph("m", inputs, tuple(nodes), (Output("act", "act"),), tuple(layers))


def verdicts(report: Report) -> dict[str, Verdict]:
    return {layer.name: layer.finding.verdict for layer in report.layers}


PROGRAMS: Final = pytest.mark.parametrize("fused", [False, True], ids=["separate", "fused"])


@PROGRAMS
def test_a_right_kernel_stays_as_it_is(fused: bool) -> None:
    graph = network(0, fused=fused)
    model = to_onnx(graph)
    found = repair(graph, model, graph)
    assert found.model == model and not found.moves and not found.unrepaired


def planted(model: onnx.ModelProto, place: int, by: float) -> onnx.ModelProto:
    """A file with a bug: a scale or a bias of one channel that is off."""

    def off(array: F32) -> F32:
        array = array.copy()
        array[CHANNEL] += np.asarray(by * array[CHANNEL] if place == 4 else by, array.dtype)
        return array

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    change(copy, kernel_in(copy).node.input[place], off)
    return copy


@pytest.mark.parametrize(
    ("place", "by", "transposed"),
    [
        *((4, by, False) for by in (2.0**-8, -(2.0**-8))),
        *((8, by, False) for by in (3, -3)),
        # Of the few sums that one of its kernels has, not so many are next to a tie.
        *((place, by, True) for place, by in ((4, 2.0**-3), (8, -40))),
    ],
)
def test_numbers_that_are_off_are_put_right(place: int, by: float, transposed: bool) -> None:
    graph = network(0, transposed=transposed)
    broken = planted(to_onnx(graph), place, by)
    wrong = np.isnan(stored_weights(Conversion(graph, broken))["bn", "beta"])
    assert np.flatnonzero(wrong).tolist() == [CHANNEL]
    assert check(graph, broken, graph).verdict is Verdict.DIFFERS
    found = repair(graph, broken, graph)
    assert not found.moves and not found.unrepaired
    report = check(graph, found.model, graph)
    assert report.passed and verdicts(report)["act"] is Verdict.PROVEN
    before, after = kernel_in(broken), kernel_in(found.model)
    others = np.arange(len(before.bias)) != CHANNEL
    np.testing.assert_array_equal(after.bias[others], before.bias[others])
    np.testing.assert_array_equal(after.scales[others], before.scales[others])
    np.testing.assert_array_equal(after.weights, before.weights)


@PROGRAMS
@pytest.mark.parametrize("ulps", [1, -1, 3])
def test_where_tensorflow_computes_otherwise_kernels_follow_it(fused: bool, ulps: int) -> None:
    """As without oneDNN: another program of the same normalization, whose codes flip in states."""
    graph, theirs = network(0, fused=fused), network(0, ulps, fused=fused)
    model = to_onnx(graph)
    found = repair(graph, model, theirs)
    assert found.moves and not found.unrepaired
    assert {move.layer for move in found.moves} == {"bn"}
    assert all(0 < abs(move.ulps) <= MOST_ULPS for move in found.moves)
    assert read_moves(found.model) == found.moves
    before, after = (verdicts(check(graph, each, theirs)) for each in (model, found.model))
    assert before["act"] is not Verdict.PROVEN
    assert all(after[name] is Verdict.PROVEN for name in ("conv", "bn", "act"))
    again = repair(graph, found.model, theirs)
    assert again.model == found.model and again.moves == found.moves


def test_a_kernel_of_codes_of_an_input_follows_in_their_domain() -> None:
    """All floats that the input may be else are no states that could be gone through."""
    graph, theirs = (without_first(network(1, ulps)) for ulps in (0, 1))
    codes = {"x": Grid(0, 15, -3)}
    model = to_onnx(graph, quantized_io=True, meanings=codes)
    found = repair(graph, model, theirs, codes)
    assert {move.layer for move in found.moves} == {"bn"} and not found.unrepaired
    assert repair(graph, model, theirs).model == model


def without_first(graph: Graph) -> Graph:
    """Without the quantizer in front of the convolution."""
    _, conv, *others = graph.nodes
    return replace(graph, nodes=(replace(conv, inputs=("x",)), *others), layers=graph.layers[1:])


def test_a_kernel_is_held_against_exactly_the_moves_that_the_file_tells() -> None:
    graph = network(0)
    model = to_onnx(graph)
    found = repair(graph, model, network(0, 1))

    def wrong(file: onnx.ModelProto) -> list[int]:
        return np.flatnonzero(
            np.isnan(stored_weights(Conversion(graph, file))["bn", "beta"])
        ).tolist()

    moved = sorted({move.channel for move in found.moves})
    assert wrong(found.model) == []
    write_moves(found.model, found.moves[1:])
    assert wrong(found.model) == [found.moves[0].channel]
    write_moves(found.model, [])
    assert wrong(found.model) == moved
    write_moves(model, found.moves)
    assert wrong(model) == moved


@pytest.mark.parametrize(
    ("seed", "bits", "transposed"),
    [(15, 5, False), (13, 7, True)],
    ids=["plain", "some kernels of a channel"],
)
def test_a_channel_without_numbers_is_told_and_stays(
    seed: int, bits: int, transposed: bool
) -> None:
    graph, theirs = (network(seed, n, transposed=transposed, bits=bits) for n in (0, -1))
    model = to_onnx(graph)
    found = repair(graph, model, theirs)
    (left,) = found.unrepaired
    assert left.layer == "act" and left.states == 1 and left.example[0][0] == "conv"
    assert "no bias and scale of its kernel" in left.reason
    assert left.channel not in {move.channel for move in found.moves}
    before, after = kernel_in(model), kernel_in(found.model)
    np.testing.assert_array_equal(
        after.bias[left.channel :: CHANNELS], before.bias[left.channel :: CHANNELS]
    )
    np.testing.assert_array_equal(
        after.scales[left.channel :: CHANNELS], before.scales[left.channel :: CHANNELS]
    )
    assert not np.isnan(stored_weights(Conversion(graph, found.model))["bn", "beta"]).any()
    assert verdicts(check(graph, found.model, theirs))["act"] is not Verdict.PROVEN


def test_codes_that_are_far_off_cannot_be_followed() -> None:
    graph = network(0)
    found = repair(graph, to_onnx(graph), network(0, more=2.0**-3))
    (left,) = found.unrepaired
    assert (left.layer, left.channel) == ("act", CHANNEL) and "near enough" in left.reason
    assert found.model == to_onnx(graph)
