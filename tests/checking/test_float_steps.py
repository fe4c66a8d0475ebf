"""What is told of layers that run in float behind the sums, or codes, of others."""

from dataclasses import replace

import numpy as np
import pytest

from qconvert.emit import to_onnx
from qconvert.ir.ops import BatchNormalization, Conv, Dense, Merge, Pool, Reshape

from .test_by_layer import (
    BYTES,
    FOUR,
    NONE,
    Q_IN,
    SMALL,
    Step,
    between,
    conv,
    graph_of,
    kernels,
    reasons,
    weights,
)

#: As many channels as come in, so that both can be added.
SAME = conv(weights(1, 1, 2, 2), weights(2, exp=-12))
JOINED = f"another value joins its result before a quantizer does: Sub sum/Sub{SMALL}"
BEHIND = "in front of QuantizeLinear q/QuantizeLinear"


def normalization(channels: int) -> BatchNormalization:
    random = np.random.default_rng(1)
    mean, gamma, beta = (random.normal(0, 1, channels).astype(np.float32) for _ in range(3))
    variance = random.uniform(0.5, 4, channels).astype(np.float32)
    return BatchNormalization(mean, variance, gamma, beta, 1e-3)


def steps_of(steps: list[Step], layer: str) -> list[str]:
    found = kernels(to_onnx(graph_of(steps)))[layer].in_float
    return [f"{one.operator}: {'; '.join(one.reasons)}" for one in found]


def joined(*behind: Step) -> list[Step]:
    """A convolution, what is *behind* it, and what comes into it added to that."""
    last = behind[-1][0] if behind else "conv"
    end: list[Step] = [("sum", Merge("add"), [last, "q_in"]), ("q", FOUR, ["sum"])]
    return [Q_IN, ("conv", SAME, ["q_in"]), *behind, *end]


def test_a_branch_is_no_bias() -> None:
    assert reasons(joined()) == JOINED


def test_a_normalization_in_front_of_a_branch_is_no_obstacle() -> None:
    """No form inside of the kernel was looked for: no quantizer is right behind it."""
    steps = joined(("normal", normalization(2), ["conv"]))
    assert reasons(steps) == JOINED
    starts = f"behind codes, the sums of com.microsoft.nchwc.Conv conv_nchwc, {BEHIND}"
    assert steps_of(steps, "normal") == [f"Mul, Add: {starts}"]
    assert steps_of(steps, "sum") == [f"Neg, Sub: {starts}"]


def test_beside_floats_a_bias_has_no_grid() -> None:
    steps: list[Step] = [("conv", conv(bias=weights(4)), ["x"]), ("q", FOUR, ["conv"])]
    assert reasons(steps) == "its input 'x' comes in as floats"


def test_why_a_convolution_of_bytes_is_no_conv_integer() -> None:
    grouped = Conv(weights(3, 3, 1, 4), None, (1, 1), (1, 1), NONE, 2)
    told = reasons([Q_IN, ("conv", grouped, ["q_in"])])
    assert told.endswith(
        "behind it, and ONNX Runtime computes the groups of a ConvInteger one by one"
    )
    assert reasons([Q_IN, ("conv", conv(), ["q_in"])]) == f"no quantizer is behind it{SMALL}"
    around = ((16, 16), (16, 16))
    wide = Conv(np.full((40, 40, 2, 1), 127 / 128, np.float32), None, (1, 1), (1, 1), around)
    assert "more than 24 bits" in reasons([Q_IN, ("conv", wide, ["q_in"])])


def test_a_normalization_behind_sums_of_integers() -> None:
    bias = np.full(64, 0.1, np.float32)
    steps: list[Step] = [
        Q_IN,
        ("flat", Reshape((-1,)), ["q_in"]),
        ("fc", Dense(weights(128, 64), bias), ["flat"]),
        ("normal", replace(normalization(64), fused=True), ["fc"]),
        ("q", BYTES, ["normal"]),
    ]
    (told,) = steps_of(steps, "normal")
    assert told.endswith(BEHIND) and " the sums of " in told
    assert told.startswith("Sub, 2 Mul, Add: behind ")


def test_a_line_in_the_place_of_a_normalization() -> None:
    op = conv(weights(3, 3, 2, 4, most=127, exp=-7))
    steps: list[Step] = [
        ("q_in", BYTES, ["x"]),
        ("conv", op, ["q_in"]),
        ("normal", replace(normalization(4), fused=True), ["conv"]),
        ("q", BYTES, ["normal"]),
    ]
    (told,) = steps_of(steps, "normal")
    assert told.startswith("Mul, Add: behind the sums of ")
    assert told.endswith(f"{BEHIND}, two numbers a channel in the place of a normalization")


def test_a_mean_by_other_numbers_at_borders() -> None:
    steps: list[Step] = [
        Q_IN,
        ("mean", Pool("mean", (3, 3), (1, 1), ((1, 1), (1, 1))), ["q_in"]),
        ("q", FOUR, ["mean"]),
    ]
    (told,) = steps_of(steps, "mean")
    assert told.startswith("AveragePool") and told.endswith(f"behind codes, {BEHIND}")


def test_of_integer_kernels_nothing_is_told() -> None:
    found = kernels(to_onnx(graph_of(between(conv()))))
    assert not any(each.in_float for each in found.values())


def test_a_layer_that_was_told_of_is_not_told_of_twice() -> None:
    """The bias is added in float, too."""
    off_grid = conv(weights(1, 1, 2, 2), weights(2, exp=-30))
    steps = [(name, off_grid if name == "conv" else op, read) for name, op, read in joined()]
    (told,) = steps_of(steps, "conv")
    assert told == f"Conv conv/Conv: {JOINED}"


def test_where_blocks_of_channels_are_moved_nothing_is_computed() -> None:
    """As around a pool, whose normalization falls, and so stays in float behind it."""
    pool, norm = Pool("max", (2, 2), (2, 2), NONE), normalization(16)
    steps: list[Step] = [Q_IN, ("conv", conv(weights(3, 3, 2, 16)), ["q_in"])]
    steps += [("after", pool, ["conv"]), ("normal", norm, ["after"]), ("q", FOUR, ["normal"])]
    found = kernels(to_onnx(graph_of(steps)))
    assert any("ReorderOutput" in name for name in found["after"].operators)
    floats = [one.operator for layer in found.values() for one in layer.in_float]
    assert floats == ["Conv conv/Conv", "Mul, Add"]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_negative_factor_behind_a_pool_is_told_of_sums_of_integers_too(sign: int) -> None:
    norm = normalization(32)
    assert norm.gamma is not None
    norm = replace(norm, gamma=sign * abs(norm.gamma))
    steps: list[Step] = [Q_IN, ("wide", conv(weights(1, 1, 2, 32)), ["q_in"])]
    steps += [("codes", FOUR, ["wide"]), ("conv", conv(weights(3, 3, 32, 32)), ["codes"])]
    steps += [("pool", Pool("max", (2, 2), (2, 2), NONE), ["conv"]), ("norm", norm, ["pool"])]
    model = to_onnx(graph_of([*steps, ("q", FOUR, ["norm"])]))
    told = [text for each in kernels(model).values() for x in each.in_float for text in x.reasons]
    assert any("cannot change places" in text for text in told) == (sign < 0)
    assert ("MatMulInteger" in {node.op_type for node in model.graph.node}) == (sign < 0)
