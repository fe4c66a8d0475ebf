"""Convolutions as one product of matrices, whose rows are gathered windows."""

from collections.abc import Callable

import numpy as np
import pytest

from qconvert.ir import F32, Graph
from qconvert.ir.ops import Conv, Quantize
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu
from qconvert.reference import evaluate

from .conftest import Make, Run

Codes = Callable[..., F32]

BYTE = Quantize(QuantizedRelu(8, 0))
SIGNED = Quantize(QuantizedBits(8, 1, alpha=1.0))
SOURCE = pytest.mark.parametrize("source", [BYTE, SIGNED])
#: By channel other steps, which no 8 bits hold together.
STEPS = np.ldexp(np.float32(1), -np.arange(32) % 12)


def conv(
    codes: Codes, *window: int, inputs: int = 32, outputs: int = 32, **options: object
) -> Conv:
    chosen = {
        "kernel": codes(-20, 20, -6, *window, 32, outputs),
        "bias": None,
        "strides": (1,) * len(window),
        "dilations": (1,) * len(window),
        "padding": ((1, 1),) * len(window),
    } | options
    return Conv(**chosen)  # type: ignore[arg-type]


def checked(run: Run, graph: Graph, x: F32, **options: object) -> list[str]:
    """The operators, after all results were found equal to the reference's."""
    ran = run(graph, x, **options)
    values = evaluate(graph, {"x": x})
    for output, plain, deployed in zip(graph.outputs, ran.plain, ran.deployed, strict=True):
        np.testing.assert_array_equal(plain, values[output.value])
        np.testing.assert_array_equal(deployed, values[output.value])
    return ran.operators


def ends_in(make: Make, op: Conv, source: Quantize, *sizes: int) -> Graph:
    return make({"x": (*sizes, op.kernel.shape[-2])}, [("q", source, ["x"]), ("c", op, ["q"])])


KINDS = [
    ((3, 3), {}),
    ((3, 3), {"padding": ((0, 0), (0, 0))}),
    ((2, 3), {"strides": (2, 1), "dilations": (1, 2), "padding": ((1, 0), (2, 1))}),
    ((3, 2), {"strides": (3, 2), "padding": ((2, 2), (0, 1))}),
    ((1, 1), {"strides": (2, 2), "padding": ((0, 0), (0, 0))}),
    ((1, 1), {"strides": (1, 1), "padding": ((0, 0), (0, 0))}),
    ((1, 1), {"strides": (1, 1), "padding": ((1, 0), (0, 2))}),
    ((5, 6), {"padding": ((0, 0), (0, 0))}),
    ((3,), {"dilations": (2,), "padding": ((4, 0),)}),
    ((2, 2, 3), {"strides": (1, 2, 1), "padding": ((0, 1), (1, 0), (1, 1))}),
]


@SOURCE
@pytest.mark.parametrize(("window", "options"), KINDS)
def test_windows_of_all_kinds(
    make: Make,
    run: Run,
    codes: Codes,
    window: tuple[int, ...],
    options: dict[str, object],
    source: Quantize,
) -> None:
    outputs = 128 if set(window) == {1} else 32
    op = conv(codes, *window, outputs=outputs, **options)
    sizes = (5, 6, 4)[: len(window)]
    operators = checked(run, ends_in(make, op, source, *sizes), codes(-300, 300, -7, 3, *sizes, 32))
    assert "MatMulIntegerToFloat" in operators and "Transpose" not in operators


@pytest.mark.parametrize("bias", [None, -7, -30])
@pytest.mark.parametrize("by_channel", [False, True])
@SOURCE
def test_biases_and_steps_of_channels(
    make: Make, run: Run, codes: Codes, bias: int | None, by_channel: bool, source: Quantize
) -> None:
    kernel = codes(-20, 20, -6, 3, 3, 32, 32) * (STEPS if by_channel else np.float32(1))
    op = conv(codes, 3, 3, kernel=kernel, bias=None if bias is None else codes(-99, 99, bias, 32))
    operators = checked(run, ends_in(make, op, source, 6, 5), codes(-300, 300, -7, 2, 6, 5, 32))
    assert "MatMulIntegerToFloat" in operators
