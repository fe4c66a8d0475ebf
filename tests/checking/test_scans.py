"""Quantizers for all float32 numbers, with NumPy in TensorFlow's place."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from qconvert.checking import assemble
from qconvert.checking.scans import everything, thresholds
from qconvert.checking.scans.alone import Alone, NotAloneError, alone
from qconvert.checking.scans.certain import is_decidable, limit_of
from qconvert.checking.scans.floats import FINITE, LAST, Program, Ranges, floats_at, positions_of
from qconvert.checking.scans.programs import Programs, Scan
from qconvert.checking.scans.thresholds import decided
from qconvert.checking.witness import Witness
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Input, Layer, Node, Output, Quantizer
from qconvert.ir.ops import Dense, Quantize
from qconvert.ir.quantizers import (
    QuantizedBits,
    QuantizedHswish,
    QuantizedPo2,
    QuantizedRelu,
    QuantizedReluPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    QuantizedUlaw,
)
from qconvert.modelfile import DEFAULT_LIMITS
from qconvert.numerics import quantize, quantize_body

TANH = QuantizedTanh(4, use_real_tanh=True)
#: Of more codes than are compared one by one.
SEARCHED = QuantizedTanh(6, use_real_tanh=True)
SIGMOID = QuantizedSigmoid(4, use_real_sigmoid=True)
LEAKY = QuantizedRelu(4, 0, negative_slope=0.25)
SIGMOIDAL = QuantizedRelu(4, 0, use_sigmoid=True)
BOUNDED = QuantizedRelu(4, 1, relu_upper_bound=1.3, is_quantized_clip=False)
HSWISH = QuantizedHswish(QuantizedBits(5, 1))
QUANTIZERS = [
    TANH, SEARCHED, SIGMOID, LEAKY, SIGMOIDAL, BOUNDED, HSWISH, QuantizedUlaw(5, 1),
    QuantizedPo2(4), QuantizedPo2(4, 2.0, quadratic_approximation=True),
    QuantizedReluPo2(4, negative_slope=0.25), QuantizedPo2(3, 0.7, log2_rounding="floor"),
]  # fmt: skip


def single(quantizer: Quantizer) -> Graph:
    shape = (None, 3)
    node, layer = Node("y", Quantize(quantizer), ("x",), shape), Layer("y", "QActivation", "y")
    return Graph("g", (Input("x", shape),), (node,), (Output("y", "y"),), (layer,))


def dense(quantizer: Quantizer) -> Graph:
    """With a layer's sum and bias in front of the quantizer, in the same layer."""
    codes, kernel = (
        QuantizedBits(4, 0, alpha=1.0),
        # Sums of so many bits come next to thresholds.
        np.array([[0.3, -0.25], [0.75, 0.125]], np.float32),
    )
    nodes = (
        Node("q", Quantize(codes), ("x",), (None, 2)),
        Node("y:sum", Dense(kernel, np.array([0.5, 0.25], np.float32)), ("q",), (None, 2)),
        Node("y", Quantize(quantizer), ("y:sum",), (None, 2)),
    )
    layers = (Layer("q", "QActivation", "q"), Layer("y", "QDense", "y"))
    return Graph("g", (Input("x", (None, 2)),), nodes, (Output("y", "y"),), layers)


def sums(quantizer: Quantizer) -> Graph:
    """Behind integer sums."""
    codes, kernel = QuantizedBits(4, 0, alpha=1.0), np.array([[0.5, -0.25]] * 3, np.float32)
    nodes = (
        Node("q", Quantize(codes), ("x",), (None, 3)),
        Node("s", Dense(kernel, None), ("q",), (None, 2)),
        Node("y", Quantize(quantizer), ("s",), (None, 2)),
    )
    layers = tuple(Layer(node.name, "Layer", node.name) for node in nodes)
    return Graph("g", (Input("x", (None, 3)),), nodes, (Output("y", "y"),), layers)


def theirs(quantizer: Quantizer, size: int | None = None) -> Program:
    """TensorFlow's numbers, which the reference has bit for bit."""

    def run(x: F32) -> F32:
        if size is None:
            return quantize_body(quantizer, x)
        return np.concatenate(
            [quantize(quantizer, x[i : i + size]) for i in range(0, x.size, size)]
        )

    return run


def programs(quantizer: Quantizer, model: onnx.ModelProto) -> Programs:
    lone = alone(model, "y", quantizer)
    plain, deployed = lone.programs()
    body = {
        Witness.TENSORFLOW: theirs(quantizer),
        Witness.ORT: plain,
        Witness.DEPLOYED: deployed,
    }
    return Programs(body, theirs(quantizer, 7), lone.thresholds)


def scan(quantizer: Quantizer, model: onnx.ModelProto | None = None, *, tail: bool = True) -> Scan:
    exported = to_onnx(single(quantizer)) if model is None else model
    return decided(quantizer, programs(quantizer, exported), tail=tail)


def changed(model: onnx.ModelProto, name: str, edit: Callable[[F32], F32]) -> onnx.ModelProto:
    """A constant of the file by the end of its name, edited."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    (tensor,) = (x for x in copy.graph.initializer if x.name.rpartition("/")[2] == name)
    edited = edit(numpy_helper.to_array(tensor).copy())
    tensor.CopyFrom(numpy_helper.from_array(edited, tensor.name))
    return copy


@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=str)
def test_thresholds_agree_with_numbers_drawn_anywhere(quantizer: Quantizer) -> None:
    found = scan(quantizer)
    assert not found.unknown and not found.different and found.levels
    end = (
        LAST if np.isinf(found.limit) else int(positions_of(np.array([found.limit], np.float32))[0])
    )
    x = floats_at(np.random.default_rng(0).integers(-end, end, 1 << 17, endpoint=True))
    single_file = programs(quantizer, to_onnx(single(quantizer))).body
    results = [program(x) for program in single_file.values()]
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])
    assert np.isin(results[0], np.array(found.levels, np.float32)).all()


@pytest.mark.parametrize("graph", [single, dense])
def test_a_threshold_off_by_one_number_is_found(graph: Callable[[Quantizer], Graph]) -> None:
    right = to_onnx(graph(SEARCHED))

    def up(x: F32) -> F32:
        x[7] = np.nextafter(x[7], np.float32(9))
        return x

    assert not scan(SEARCHED, right).different
    found = scan(SEARCHED, changed(right, "thresholds", up))
    assert found.different.count == 1


def stored(model: onnx.ModelProto, name: str) -> F32:
    return numpy_helper.to_array(next(t for t in model.graph.initializer if name in t.name))


def test_a_wrong_level_is_found_with_all_numbers_that_get_it() -> None:
    right = to_onnx(single(SEARCHED))
    table = stored(right, "thresholds")
    k = int(np.searchsorted(table, 0.1))

    def wrong(x: F32) -> F32:
        x[k] = x[k - 1]
        return x

    found = scan(SEARCHED, changed(right, "values", wrong)).different
    assert found.count == np.diff(positions_of(table[k - 1 : k + 1]))[0] > 1000


def test_a_bump_far_from_all_boundaries_is_found() -> None:
    """Two thresholds that are wrong, with one code on both sides: no halving comes upon them."""
    right = to_onnx(single(SEARCHED))
    first = positions_of(np.array([0.1234], np.float32))
    ends = floats_at(first + np.array([0, 77]))
    k = int(np.searchsorted(stored(right, "thresholds"), ends[0]))

    def moved(x: F32) -> F32:
        return np.insert(x, k, ends)[: len(x)]

    def bump(x: F32) -> F32:
        return np.insert(x, k + 1, [x[k] + np.float32(0.125), x[k]])[: len(x)]

    broken = changed(changed(right, "thresholds", moved), "values", bump)
    assert scan(SEARCHED, broken).different.count == 77


def test_thresholds_that_are_out_of_order_are_no_search() -> None:
    def swapped(x: F32) -> F32:
        x[[3, 4]] = x[[4, 3]]
        return x

    with pytest.raises(NotAloneError, match="not in order"):
        alone(changed(to_onnx(single(SEARCHED)), "thresholds", swapped), "y", SEARCHED)


def test_a_number_that_is_compared_is_a_threshold() -> None:
    right = to_onnx(single(TANH))

    def up(x: F32) -> F32:
        return np.nextafter(x, np.float32(9))

    assert not scan(TANH, right).different
    for name in ("threshold", "threshold_7", "threshold_26"):
        assert scan(TANH, changed(right, name, up)).different.count == 1


def test_a_digit_with_another_weight_is_found() -> None:
    """Eight codes are one step higher."""
    file = to_onnx(single(TANH))
    last = [node for node in file.graph.node if node.op_type == "Where"][-1]
    assert stored(file, last.input[1]) == 2**-3
    assert not scan(TANH, file).different
    last.input[1] = "0.25"
    assert len(scan(TANH, file).different.pairs) >= 8


def test_a_layer_whose_codes_alone_are_in_the_file_is_found() -> None:
    """What multiplies integers reads no floats."""
    bias = np.array([0.3], np.float32)
    behind = Node("z", Dense(np.ones((3, 1), np.float32), bias), ("y",), (None, 1))
    first = single(TANH)
    layers = (*first.layers, Layer("z", "QDense", "z"))
    graph = replace(first, nodes=(*first.nodes, behind), outputs=(Output("z", "z"),), layers=layers)
    file = to_onnx(graph)
    lone = alone(file, "y", TANH)
    assert lone.end.tensor is None and not scan(TANH, file).different


def test_sums_that_come_next_to_no_threshold_get_the_function_itself() -> None:
    """Which differs next to thresholds, and nowhere else."""
    file = to_onnx(sums(TANH))
    assert "Tanh" in {node.op_type for node in file.graph.node}
    found = scan(TANH, file)
    different = floats_at(np.array(found.different.pairs).ravel())
    assert len(different)
    ties = np.abs(np.tanh(different.astype(np.float64)) * 8 % 1 - 0.5)
    assert ties.max() < 8 * 2.0**-21


def test_a_power_rounded_to_one_bit_differs_next_to_thresholds_alone() -> None:
    power = QuantizedReluPo2(4)
    file = to_onnx(sums(power))
    assert not {"Gather", "GreaterOrEqual"} & {node.op_type for node in file.graph.node}
    different = floats_at(np.array(scan(power, file).different.pairs).ravel())
    inside = different[(different > 1e-3) & (different < 1)]
    halves = np.log2(inside.astype(np.float64)) % 1
    assert len(inside) and abs(halves - 0.5).max() < 1e-5


def test_a_power_by_way_of_another_number_is_no_rounding_to_one_bit() -> None:
    power = QuantizedReluPo2(4)
    file = to_onnx(sums(power))
    (far,) = (node for node in file.graph.node if stored_as(file, node, 2.0**23 + 1))
    (tensor,) = (x for x in file.graph.initializer if x.name == far.input[1])
    tensor.CopyFrom(numpy_helper.from_array(np.array(2.0**22 + 1, np.float32), tensor.name))
    with pytest.raises(NotAloneError, match="operators"):
        alone(file, "y", power)


def stored_as(model: onnx.ModelProto, node: onnx.NodeProto, number: float) -> bool:
    known = {x.name: numpy_helper.to_array(x) for x in model.graph.initializer}
    return any(np.array_equal(known[name], number) for name in node.input if name in known)


def test_other_operators_are_not_taken_for_the_quantizer() -> None:
    model = to_onnx(single(SIGMOIDAL))
    node = next(node for node in model.graph.node if node.op_type == "Round")
    node.op_type = "Floor"
    with pytest.raises(NotAloneError, match="operators"):
        alone(model, "y", SIGMOIDAL)


def scalar(model: onnx.ModelProto, number: float, other: float) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if np.array_equal(numpy_helper.to_array(tensor), np.float32(number)):
            tensor.CopyFrom(numpy_helper.from_array(np.array(other, np.float32), tensor.name))
    return copy


@pytest.mark.parametrize(
    ("quantizer", "number", "other"), [(LEAKY, 8.0, -8.0), (HSWISH, 3.0, 3.05)]
)
def test_constants_that_turn_rising_to_falling_elsewhere_are_not_trusted(
    quantizer: Quantizer, number: float, other: float
) -> None:
    model = to_onnx(single(quantizer))
    alone(model, "y", quantizer)
    with pytest.raises(NotAloneError, match="operators"):
        alone(scalar(model, number, other), "y", quantizer)


def test_another_constant_is_found() -> None:
    model = to_onnx(single(SIGMOIDAL))
    assert scan(SIGMOIDAL, scalar(model, 0.5, 0.4999)).different


def test_operators_that_do_not_run_alone_are_told() -> None:
    lone = alone(to_onnx(single(LEAKY)), "y", LEAKY)
    lone.model.graph.node[0].op_type = "Unheard"
    for program in lone.programs():
        with pytest.raises(NotAloneError, match="does not load"):
            program(np.ones(3, np.float32))


def test_a_layer_that_the_file_does_not_compute_has_no_operators() -> None:
    with pytest.raises(NotAloneError, match="does not compute"):
        alone(to_onnx(single(TANH)), "z", TANH)


def test_equal_quantizers_of_two_layers_are_one_file() -> None:
    first, second = (alone(to_onnx(graph(TANH)), "y", TANH) for graph in (single, dense))
    assert isinstance(first, Alone) and first.sha256 == second.sha256
    assert (
        first.sha256
        != alone(to_onnx(single(replace(TANH, bits=5))), "y", replace(TANH, bits=5)).sha256
    )


def test_a_program_that_wavers_next_to_a_boundary_is_tried_there() -> None:
    """Every third number within a few units of a boundary goes to the other side."""
    base = theirs(TANH)
    edge = positions_of(np.array([0.06257], np.float32))[0]
    (near,) = (
        p
        for p in edge + np.arange(-9000, 9000)
        if base(floats_at(np.array([p])))[0] != base(floats_at(np.array([p - 1])))[0]
    )

    def wavering(x: F32) -> F32:
        at = positions_of(x)
        aside = (abs(at - near) < 12) & (at % 3 == 0)
        return base(floats_at(np.where(aside, 2 * near - at, at)))

    body = {Witness.TENSORFLOW: base, Witness.NUMPY: wavering}
    found = decided(TANH, Programs(body, base), tail=False)
    expected = [
        p
        for p in range(near - 12, near + 12)
        if wavering(floats_at(np.array([p]))) != base(floats_at(np.array([p])))
    ]
    assert found.different == Ranges.of((p, p) for p in expected) and expected


def test_other_results_at_the_end_of_a_tensor_are_told() -> None:
    found = scan(SIGMOID)
    assert found.ambiguous.count > 10 and not found.different
    assert not scan(SIGMOID, tail=False).ambiguous


def test_too_many_numbers_are_not_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thresholds, "_MOST_TRIED", 600)
    assert "too many" in scan(TANH).unknown
    monkeypatch.setattr(thresholds, "_MOST_TRIED", 1 << 20)
    monkeypatch.setattr(thresholds, "_MOST_AT_THE_END", 600)
    assert "ends of TensorFlow's tensors" in scan(SIGMOID).unknown


def test_beyond_the_residue_nothing_is_said() -> None:
    assert limit_of(LEAKY) == 2.0**24 * 2.0**-5 and limit_of(TANH) == np.inf
    beyond = np.array([2.0**30], np.float32)
    assert quantize_body(LEAKY, -beyond)[0] != quantize_body(LEAKY, np.array([-99], np.float32))[0]
    assert not is_decidable(replace(LEAKY, qnoise_factor=0.5))
    for slope in (0.3, -0.25):
        assert not is_decidable(replace(LEAKY, negative_slope=slope))
    assert not is_decidable(QuantizedBits(4, alpha=0.3))


def test_every_number_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(everything, "LAST", 1 << 12)
    monkeypatch.setattr(everything, "_CHUNK", 1000)
    seen: list[F32] = []
    told: list[tuple[int, int]] = []

    def other(x: F32) -> F32:
        seen.append(x)
        wrong = np.isin(positions_of(x), [-5, 995, 996, 997])
        return np.where(wrong, np.float32(1), np.float32(0))

    body: dict[Witness, Program] = {Witness.TENSORFLOW: np.zeros_like, Witness.ORT: other}
    found = everything.scanned(Programs(body, np.zeros_like), lambda *n: told.append(n))
    np.testing.assert_array_equal(positions_of(np.concatenate(seen)), np.arange(-4096, 4097))
    assert found.different == Ranges.of([(-5, -5), (995, 997)]) and found.whole
    assert found.levels == (0.0,) and told[-1] == (8193, FINITE)


def test_positions_are_the_order_of_numbers() -> None:
    x = np.array(
        [-np.finfo(np.float32).max, -1, -1e-45, 0, 1e-45, 1, np.finfo(np.float32).max], np.float32
    )
    at = positions_of(x)
    assert (at == np.sort(at)).all() and at[-1] == LAST and (at[2:5] == [-1, 0, 1]).all()
    np.testing.assert_array_equal(floats_at(at), x)


def test_very_many_ranges_are_coarser_but_hold_all() -> None:
    scattered = [(i * 10 + (i % 7 == 0), i * 10 + 1) for i in range(10_000)]
    found = Ranges.of(scattered)
    assert len(found.pairs) <= 1 << 12 and found.count >= 18_000
    assert found.pairs[0][0] == 1 and found.pairs[-1][1] == scattered[-1][1]
    inside = {p for a, b in found.pairs for p in range(a, b + 1)}
    assert inside >= {p for pair in scattered for p in pair}


def test_a_quantizer_alone_returns_no_more_than_the_limit_allows() -> None:
    less, model = DEFAULT_LIMITS.with_values({"tensor-bytes": 8}), to_onnx(single(TANH))
    panel = assemble(single(TANH), model, "not asked", limits=less)
    assert panel.alone is not None
    for program in panel.alone("y", TANH).programs():
        assert program(np.zeros(2, np.float32)).size == 2
        with pytest.raises(NotAloneError, match="--limit tensor-bytes"):
            program(np.zeros(3, np.float32))
