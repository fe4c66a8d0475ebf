"""Convolutions that are concatenated in front of a quantizer, which rounds in each of them."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pytest

from qconvert.emit import to_onnx
from qconvert.emit.metadata import read_metadata
from qconvert.ir import F32, Graph
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Op,
    Pad,
    Pool,
    Quantize,
    Relu,
    Reshape,
    Scale,
    UpSample,
)
from qconvert.ir.quantizers import Binary, QuantizedBits, QuantizedRelu
from qconvert.reference import evaluate

from .conftest import Make, Run

#: A value's name, what makes it, and what that reads.
Step = tuple[str, Op, list[str]]

NIBBLE: Final = Quantize(QuantizedRelu(4, 2))
FEW: Final = Quantize(QuantizedRelu(3, 1))
SIGNED: Final = Quantize(QuantizedBits(5, 1, alpha=1.0))
#: Which makes 1 of 0.
SIGN: Final = Quantize(Binary(alpha=1.0))
NONE: Final = ((0, 0), (0, 0))
LARGEST: Final = Pool("max", (2, 2), (2, 2), NONE)
MEAN: Final = Pool("mean", (2, 2), (2, 2), NONE)
AROUND: Final = Pad(((1, 0), (0, 2), (0, 0)))


def drawn(*shape: int, seed: int = 0) -> F32:
    return (np.random.default_rng(seed).integers(-5, 6, shape) / 8).astype(np.float32)


def conv(inputs: int, outputs: int, *, stride: int = 1, seed: int = 0) -> Conv:
    kernel, bias = drawn(3, 3, inputs, outputs, seed=seed), drawn(outputs, seed=seed + 1)
    return Conv(kernel, bias, (stride, stride), (1, 1), ((1, 1), (1, 1)))


def normalization(channels: int, *, sign: float = 1) -> BatchNormalization:
    low, high = (np.linspace(a, b, channels, dtype=np.float32) for a, b in ((-1, 1), (0.5, 2.5)))
    return BatchNormalization(low, high, np.float32(sign) * high, low, 1e-3)


BRANCHES: Final[tuple[Step, ...]] = (
    ("q", NIBBLE, ["x"]),
    ("a", conv(4, 5), ["q"]),
    ("b", conv(4, 7, seed=3), ["q"]),
)

INNER: Final[tuple[Step, ...]] = (BRANCHES[0], ("c", conv(4, 7), ["q"]))
HALF: Final[tuple[Step, ...]] = (BRANCHES[0], ("c", conv(4, 7, stride=2), ["q"]))


def joined(*behind: Op, axis: int = 3, branches: Sequence[Step] = BRANCHES) -> list[Step]:
    """The last two *branches*, and what is behind their concatenation, a quantizer at the end."""
    names = ["concat", *(f"op{i}" for i in range(len(behind) - 1)), "act"]
    read = [[branches[-2][0], branches[-1][0]], *([name] for name in names)]
    return [*branches, *zip(names, (Concat(axis), *behind), read, strict=False)]


def operators(run: Run, make: Make, steps: Sequence[Step]) -> list[str]:
    """Those of the graph that runs, whose results are the reference's."""
    graph = make({"x": (8, 8, 4)}, list(steps))
    x = np.random.default_rng(0).normal(0, 2, (16, 8, 8, 4)).astype(np.float32)
    ran, expected = run(graph, x), evaluate(graph, {"x": x})
    for result, output in zip(ran.deployed, graph.outputs, strict=True):
        np.testing.assert_array_equal(result, expected[output.value])
    return ran.operators


def kernels(run: Run, make: Make, steps: Sequence[Step]) -> int:
    """How many integer kernels there are, beside which nothing is in float."""
    found = operators(run, make, steps)
    floats = {"Conv", "Mul", "Add", "com.microsoft.nchwc:Conv"} & set(found)
    return 0 if floats else found.count("QLinearConv")


@pytest.mark.parametrize(
    "behind",
    [
        (NIBBLE,),
        (SIGNED,),
        (SIGN,),
        (Relu(), SIGNED),
        (normalization(12), FEW),
        (Affine(np.resize(np.array([0.5, 0.75, 2], np.float32), 12), None), NIBBLE),
        (Affine(None, np.array([0.3], np.float32)), NIBBLE),
        (Scale(0.7), Relu(), NIBBLE),
        (LARGEST, NIBBLE),
        (AROUND, NIBBLE),
        (AROUND, LARGEST, NIBBLE),
        (LARGEST, normalization(12), FEW),
        (UpSample((2, 2)), NIBBLE),
        (Reshape((-1, 12)), NIBBLE),
    ],
)
def test_each_branch_is_an_integer_kernel(make: Make, run: Run, behind: Sequence[Op]) -> None:
    assert kernels(run, make, joined(*behind)) == 2


@pytest.mark.parametrize("axis", [1, 2])
def test_so_are_branches_that_lie_side_by_side(make: Make, run: Run, axis: int) -> None:
    """With a normalization of the channels that all of them have."""
    branches = (*BRANCHES[:-1], ("b", conv(4, 5, seed=3), ["q"]))
    assert kernels(run, make, joined(normalization(5), FEW, axis=axis, branches=branches)) == 2


@pytest.mark.parametrize(
    "branches",
    [
        (*INNER, ("a", conv(4, 5), ["q"]), ("b", normalization(7), ["c"])),
        (*INNER, ("a", conv(4, 5), ["q"]), ("b", Relu(), ["c"])),
        (*INNER, ("a", conv(4, 5, stride=2), ["q"]), ("b", MEAN, ["c"])),
        (
            *HALF,
            ("a", UpSample((2, 2)), ["c"]),
            ("b", conv(4, 5), ["q"]),
        ),
        (
            *HALF,
            ("d", NIBBLE, ["c"]),
            ("a", ConvTranspose(drawn(2, 2, 5, 7), None, (2, 2), (1, 1), NONE), ["d"]),
            ("b", conv(4, 5), ["q"]),
        ),
    ],
)
def test_what_is_behind_a_branch_alone_is_a_part_of_its_kernel(
    make: Make, run: Run, branches: Sequence[Step]
) -> None:
    steps = joined(FEW, branches=branches)
    convolutions = sum(isinstance(op, Conv | ConvTranspose) for _, op, _ in steps)
    assert kernels(run, make, steps) == convolutions


@pytest.mark.parametrize("order", [["a", "d"], ["d", "a"]])
def test_codes_that_the_quantizer_leaves_as_they_are_stand_beside_them(
    make: Make, run: Run, order: list[str]
) -> None:
    """Those of as many bits, and of fewer."""
    for bits in (3, 4):
        same = Quantize(QuantizedRelu(bits, bits - 2))
        steps = [*BRANCHES[:2], ("d", same, ["x"]), ("concat", Concat(3), order)]
        assert kernels(run, make, [*steps, ("act", NIBBLE, ["concat"])]) == 1


@pytest.mark.parametrize(
    "other",
    [
        Quantize(QuantizedRelu(4, 1)),
        Quantize(QuantizedRelu(5, 3)),
        Quantize(QuantizedBits(4, 1, alpha=1.0)),
    ],
)
def test_codes_that_it_would_round_are_rounded_alone(make: Make, run: Run, other: Quantize) -> None:
    """Finer ones, larger ones, and such with another zero point."""
    steps = [*BRANCHES[:2], ("d", other, ["x"]), ("concat", Concat(3), ["a", "d"])]
    found = operators(run, make, [*steps, ("act", NIBBLE, ["concat"])])
    assert "Conv" not in found and found.count("QLinearConv") == 1


@pytest.mark.parametrize(
    "other",
    [
        conv(4, 7),
        Relu(),
        Pool("mean", (3, 3), (1, 1), ((1, 1), (1, 1))),
        Pad(((0, 0), (0, 0), (1, 2))),
    ],
)
@pytest.mark.parametrize("order", [["a", "b"], ["b", "a"]])
def test_what_is_no_kernel_is_rounded_beside_those(
    make: Make, run: Run, other: Op, order: list[str]
) -> None:
    """Of floats, of a mean that is rounded itself, or of any other op."""
    steps = [*BRANCHES[:2], ("b", other, ["x"]), ("concat", Concat(3), order)]
    assert operators(run, make, [*steps, ("act", NIBBLE, ["concat"])]).count("QLinearConv") == 1
    # A normalization behind all of them, or a quantizer with more to do, would be there twice.
    for end in (
        [("n", Affine(None, np.array([0.25], np.float32)), ["concat"]), ("act", NIBBLE, ["n"])],
        [("act", SIGN, ["concat"])],
    ):
        assert "QLinearConv" not in operators(run, make, [*steps, *end])


@pytest.mark.parametrize(
    "steps",
    [
        # A quantizer that makes another number of zeros, which stand in the place of results.
        joined(AROUND, SIGN),
        # What falls does not change places with the largest; rows are no channels.
        joined(LARGEST, normalization(12, sign=-1), NIBBLE),
        joined(Reshape((12, -1)), Affine(np.full(64, 0.5, np.float32), None), NIBBLE),
        joined(AROUND, Affine(None, np.array([1], np.float32)), NIBBLE),
        # One that others read, too.
        [*joined(NIBBLE), ("act2", SIGNED, ["b"])],
        [*joined(NIBBLE), ("act2", SIGNED, ["concat"])],
    ],
)
def test_where_it_does_not_commute_it_stays_behind(
    make: Make, run: Run, steps: Sequence[Step]
) -> None:
    assert kernels(run, make, steps) == 0


def test_products_of_matrices_are_joined_as_before(make: Make, run: Run) -> None:
    """They have no kernels that round to codes by channel."""
    flat: list[Step] = [
        ("f", Reshape((-1,)), ["x"]),
        ("q", NIBBLE, ["f"]),
        ("a", Dense(drawn(256, 5), None), ["q"]),
        ("b", Dense(drawn(256, 7), None), ["q"]),
    ]
    assert "QLinearConv" not in operators(run, make, joined(NIBBLE, axis=1, branches=flat))


def test_all_of_a_join_is_said_to_be_inside_of_the_quantizer(make: Make) -> None:
    graph: Graph = make({"x": (8, 8, 4)}, joined(normalization(12), AROUND, FEW))
    metadata = read_metadata(to_onnx(graph))
    assert metadata is not None
    inside = {x.layer: x.fused_into for x in metadata.layers if x.fused_into}
    assert inside == dict.fromkeys(("a", "b", "concat", "op0", "op1"), "act")
