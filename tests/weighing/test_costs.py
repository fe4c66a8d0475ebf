import itertools

import numpy as np
import pytest

from qconvert.ir import F32, Graph, Grid, Input, Layer, Node, Op, Output, Quantizer, Weight
from qconvert.ir.ops import (
    BatchNormalization,
    Conv,
    ConvTranspose,
    Dense,
    Pool,
    Quantize,
    Recurrence,
    Relu,
)
from qconvert.ir.quantizers import Binary, QuantizedBits, QuantizedPo2, QuantizedRelu, Ternary
from qconvert.numerics import quantize
from qconvert.weighing.costs import Cost, costs

from .conftest import Chain, floats, weight

BYTES = {"x": Grid(0, 255, -8)}


def ones(*shape: int) -> F32:
    return np.ones(shape, np.float32)


def only(chain: Chain, op: Op, *shape: int | None, **domain: Grid) -> Cost:
    return costs(chain((None, *shape), [(op, {})]), domain)["layer0"]


def test_a_dense_layer_multiplies_once_a_weight_and_place(chain: Chain) -> None:
    assert only(chain, Dense(ones(3, 5), None), 3).multiplications == 15
    assert only(chain, Dense(ones(3, 5), None), 7, 3).multiplications == 7 * 15
    assert only(chain, Dense(ones(3, 5), None), None, 3).multiplications is None


def test_a_convolution_multiplies_once_a_result_and_weight_of_its_window(chain: Chain) -> None:
    padding = ((1, 1), (0, 0))
    op = Conv(ones(3, 3, 2, 8), None, (2, 1), (1, 1), padding, groups=2)
    assert only(chain, op, 7, 5, 4).multiplications == 4 * 3 * 8 * 3 * 3 * 2


def test_a_transposed_convolution_multiplies_once_a_number_that_it_takes(chain: Chain) -> None:
    op = ConvTranspose(ones(2, 2, 5, 4), None, (2, 2), (1, 1), ((0, 0), (0, 0)))
    assert only(chain, op, 3, 3, 4).multiplications == 3 * 3 * 4 * 2 * 2 * 5


def test_zeros_that_only_separate_groups_are_no_weights(chain: Chain) -> None:
    """The kernel of the operation has 4 x 4 numbers a place, that of the layer 4."""
    op = ConvTranspose(ones(2, 2, 4, 4), None, (1, 1), (1, 1), ((0, 0), (0, 0)))
    graph = chain((None, 3, 3, 4), [(op, {"depthwise_kernel": weight(ones(2, 2, 4, 1))})])
    assert costs(graph)["layer0"].multiplications == 3 * 3 * 2 * 2 * 4


def test_bit_operations_count_the_bits_of_both_factors(chain: Chain) -> None:
    quantized = Quantize(QuantizedRelu(5))
    kernel = weight(ones(3, 2), QuantizedBits(4, 0, alpha=1.0))
    graph = chain((None, 3), [(quantized, {}), (Dense(ones(3, 2), None), {"kernel": kernel})])
    found = costs(graph)["layer1"]
    assert (found.weight_bits, found.input_bits, found.bit_operations) == (4, 5, 6 * 4 * 5)


def test_floats_are_32_bits_wide(chain: Chain) -> None:
    found = only(chain, Dense(ones(3, 2), None), 3)
    assert (found.weight_bits, found.input_bits, found.accumulator) == (32, 32, None)


def test_what_is_moved_stays_as_wide_and_what_is_added_gets_wider(chain: Chain) -> None:
    """Of powers of two no range is known that the width of pooled ones could be read off."""
    pool = Pool("max", (2,), (2,), ((0, 0),))
    dense = Dense(ones(3, 2), None)
    graph = chain((None, 4, 3), [(Quantize(QuantizedPo2(6)), {}), (pool, {}), (dense, {})])
    assert costs(graph)["layer2"].input_bits == 6
    graph = chain((None, 3), [(dense, {}), (Dense(ones(2, 2), None), {})])
    # Three bytes added up need ten bits.
    assert costs(graph, BYTES)["layer1"].input_bits == 10


def test_layers_without_products_cost_none(chain: Chain) -> None:
    normalization = BatchNormalization(floats(0), floats(1), None, None, 1e-3)
    assert costs(chain((None, 1), [(Relu(), {}), (normalization, {})])) == {}


def test_a_further_call_of_a_layer_has_the_weights_of_the_first() -> None:
    kernel = weight(ones(3, 3), QuantizedBits(4, 0, alpha=1.0))
    nodes = tuple(
        Node(name, Dense(ones(3, 3), None), (x,), (None, 3))
        for name, x in (("fc", "x"), ("fc@1", "fc"))
    )
    layers = (Layer("fc", "Dense", "fc", {"kernel": kernel}), Layer("fc@1", "Dense", "fc@1"))
    graph = Graph("g", (Input("x", (None, 3)),), nodes, (Output("y", "fc@1"),), layers)
    assert costs(graph)["fc@1"].weight_bits == 4


def test_a_loop_multiplies_in_every_step(chain: Chain) -> None:
    """Widths in its body are those of the sequence, and of the states that it quantizes."""
    inside = (
        Node("new", Dense(ones(3, 2), None), ("s",), (None, 2)),
        Node("old", Dense(ones(2, 2), None), ("h",), (None, 2)),
    )
    state = Node("q", Quantize(QuantizedBits(3, 0, alpha=1.0)), ("old",), (None, 2))
    inputs = (Input("s", (None, 3)), Input("h", (None, 2)))
    body = Graph("body", inputs, (*inside, state), (Output("o", "q"),), ())
    four, two = QuantizedBits(4, 0, alpha=1.0), QuantizedBits(2, 0, alpha=1.0)
    weights = {"kernel": weight(ones(3, 2), four), "recurrent_kernel": weight(ones(2, 2), two)}
    graph = chain((None, 7, 3), [(Recurrence(body), weights)])
    found = costs(graph, BYTES)["layer0"]
    assert found.multiplications == 7 * (6 + 4)
    assert found.bit_operations == 7 * (6 * 4 * 8 + 4 * 2 * 3)


def partial_sums(terms: list[float]) -> set[float]:
    sizes = range(len(terms) + 1)
    return {sum(some) for n in sizes for some in itertools.combinations(terms, n)}


@pytest.mark.parametrize("bias", [None, floats(0.5), floats(-4.0)])
def test_an_accumulator_holds_every_partial_sum_and_is_no_wider(
    chain: Chain, bias: F32 | None
) -> None:
    kernel = floats(3, -2, 1).reshape(3, 1)
    domain = Grid(-2, 3, 0)
    found = only(chain, Dense(kernel, bias), 3, x=domain).accumulator
    assert found is not None and found.bias is (bias is not None)
    seen: set[float] = set()
    for x in itertools.product(range(domain.lo, domain.hi + 1), repeat=3):
        terms = [a * float(b) for a, b in zip(x, kernel.ravel(), strict=True)]
        seen |= partial_sums(terms + ([] if bias is None else [float(bias[0])]))
    assert found.exp is not None
    steps = {number / 2.0**found.exp for number in seen}
    assert (min(steps), max(steps)) == (found.lo, found.hi)
    half = 2 ** (found.bits - 1)
    assert -half <= found.lo and found.hi < half
    assert not (-half // 2 <= found.lo and found.hi < half // 2)


def test_a_bias_on_no_grid_of_the_products_is_not_among_the_terms(chain: Chain) -> None:
    kernel = np.full((300, 1), 127, np.float32)
    found = only(chain, Dense(kernel, floats(0.1)), 300, x=Grid(0, 255, 0)).accumulator
    assert found is not None
    assert (found.bias, found.exp, found.hi) == (False, 0, 300 * 127 * 255)


def test_an_accumulator_may_be_wider_than_float32_is_exact(chain: Chain) -> None:
    kernel = np.full((4, 1), 2.0**30 + 2.0**10, np.float32)
    found = only(chain, Dense(kernel, None), 4, x=Grid(0, 255, 0)).accumulator
    assert found is not None and found.bits == (4 * 255 * (2**20 + 1)).bit_length() + 1


def test_the_widest_channel_decides(chain: Chain) -> None:
    kernel = floats(1, -1, 0, -3).reshape(2, 2)
    found = only(chain, Dense(kernel, None), 2, x=Grid(0, 2, 0)).accumulator
    assert found is not None
    # -8 fits in four bits, 8 would not.
    assert (found.lo, found.hi, found.bits) == (-8, 0, 4)


def test_of_equal_sums_the_positive_ones_are_wider(chain: Chain) -> None:
    kernel = floats(-1, 1, -3, 3).reshape(2, 2)
    found = only(chain, Dense(kernel, None), 2, x=Grid(0, 2, 0)).accumulator
    assert found is not None and (found.hi, found.bits) == (8, 5)


@pytest.mark.parametrize(
    ("quantizer", "largest_code"),
    [(QuantizedBits(4, alpha="auto"), 7), (Ternary(alpha="auto"), 1), (Binary(alpha="auto"), 1)],
)
def test_codes_with_a_scale_are_added_up_without_it(
    chain: Chain, quantizer: Quantizer, largest_code: int
) -> None:
    """Their numbers take 24 bits each, and are multiples of a code all the same."""
    raw = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float32)
    effective = quantize(quantizer, raw)
    graph = chain(
        (None, 10),
        [(Dense(effective, floats(1, 2, 3)), {"kernel": Weight(raw, effective, quantizer)})],
    )
    found = costs(graph, {"x": Grid(0, 1, 0)})["layer0"].accumulator
    assert found is not None and (found.exp, found.bias) == (None, False)
    codes = np.rint(effective * largest_code / abs(effective).max(axis=0))
    positive, negative = codes.clip(0).sum(axis=0), -codes.clip(None, 0).sum(axis=0)
    need = int(np.maximum(positive + 1, negative).max())
    assert max(found.hi + 1, -found.lo) == need
