"""Kernels that a file joins behind them: each is held against its branch of the model."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Final

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.rounding_kernel import Part
from qconvert.checking.deployed.stored import stored_weights
from qconvert.checking.results import Report, Verdict
from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, Weight, infer_shape
from qconvert.ir.ops import BatchNormalization, Concat, Conv, Pad, Pool, Quantize, Scale
from qconvert.ir.quantizers import QuantizedBits, QuantizedRelu

from .deployed_models import Array, change, node
from .repairing import check

NIBBLE: Final = Quantize(QuantizedRelu(4, 2))
FEW: Final = Quantize(QuantizedRelu(3, 1))
AROUND: Final = Pad(((1, 0), (0, 1), (0, 0)))
MEAN: Final = Pool("mean", (2, 2), (2, 2), ((0, 0), (0, 0)))
#: A value's name, what makes it, and what that reads.
Step = tuple[str, Op, list[str]]
Edit = Callable[[onnx.ModelProto], None]


def drawn(*shape: int, seed: int) -> F32:
    return (np.random.default_rng(seed).integers(-5, 6, shape) / 8).astype(np.float32)


def conv(outputs: int, *, seed: int = 0, biased: bool = True, stride: int = 1) -> Conv:
    bias = drawn(outputs, seed=seed + 9) if biased else None
    kernel = drawn(3, 3, 2, outputs, seed=seed)
    return Conv(kernel, bias, (stride, stride), (1, 1), ((1, 1), (1, 1)))


def normalization(channels: int) -> BatchNormalization:
    low, high = (np.linspace(a, b, channels, dtype=np.float32) for a, b in ((-1, 1), (0.5, 2.5)))
    return BatchNormalization(low, high, high, low, 1e-3)


def model_of(*steps: Step) -> Graph:
    """Every step is a layer, the last one the output."""
    source = Input("x", (None, 6, 6, 2))
    shapes, nodes = {"x": source.shape}, list[Node]()
    for name, op, read in steps:
        shapes[name] = infer_shape(op, *(shapes[each] for each in read))
        nodes.append(Node(name, op, tuple(read), shapes[name]))
    layers = tuple(Layer(x.name, "Layer", x.name, _weights(x.op)) for x in nodes)
    return Graph("m", (source,), tuple(nodes), (Output("act", "act"),), layers)


def _weights(op: Op) -> dict[str, Weight]:
    match op:
        case Conv(kernel=kernel, bias=bias):
            arrays = {"kernel": kernel, "bias": bias}
        case BatchNormalization(gamma=gamma, beta=beta):
            arrays = {"gamma": gamma, "beta": beta}
        case _:
            arrays = {}
    return {role: Weight(a, a, None) for role, a in arrays.items() if a is not None}


BRANCHES: Final[tuple[Step, ...]] = (
    ("q", NIBBLE, ["x"]),
    ("a", conv(3), ["q"]),
    ("b", conv(4, seed=1, biased=False), ["q"]),
    ("join", Concat(3), ["a", "b"]),
)
PLAIN: Final = model_of(*BRANCHES, ("act", NIBBLE, ["join"]))
NORMALIZED: Final = model_of(
    *BRANCHES, ("norm", normalization(7), ["join"]), ("act", FEW, ["norm"])
)
BESIDE_CODES: Final = model_of(
    *BRANCHES[:2],
    ("b", Quantize(QuantizedRelu(3, 1)), ["x"]),
    ("join", Concat(3), ["b", "a"]),
    ("pad", AROUND, ["join"]),
    ("act", NIBBLE, ["pad"]),
)
PADDED: Final = model_of(
    *BRANCHES[:2],
    ("norm", normalization(3), ["a"]),
    ("pad", AROUND, ["norm"]),
    ("act", FEW, ["pad"]),
)
BESIDE_OTHERS: Final = model_of(
    *BRANCHES[:2],
    ("b", Quantize(QuantizedBits(4, 1, alpha=1.0)), ["x"]),
    ("c", Scale(0.5), ["q"]),
    ("join", Concat(3), ["b", "a", "c"]),
    ("act", NIBBLE, ["join"]),
)


def is_proven(report: Report) -> list[bool]:
    """Of the layers from the first branch on, and of the output."""
    found = [*(x.finding for x in report.layers[1:]), report.outputs[0].finding]
    return [each.verdict is Verdict.PROVEN for each in found]


def all_found(graph: Graph, model: onnx.ModelProto) -> bool:
    """Whether all weights are found in the file, as they are."""
    found = stored_weights(Conversion(graph, model))
    weights = {(x.name, role): w for x in graph.layers for role, w in x.weights.items()}
    return all(
        name in found and np.array_equal(found[name], weight.effective)
        for name, weight in weights.items()
    )


@pytest.mark.parametrize(
    ("graph", "parts"),
    [
        (PLAIN, []),
        (NORMALIZED, []),
        (BESIDE_CODES, [Part.KEPT]),
        (BESIDE_OTHERS, [Part.ROUNDED, Part.ROUNDED]),
        (PADDED, []),
    ],
)
def test_joined_kernels_are_proven(graph: Graph, parts: list[Part]) -> None:
    model = to_onnx(graph)
    kernels = LayeredFile(model).kernels["act"]
    assert [kernel for kernel in kernels if isinstance(kernel, Part)] == parts
    assert all_found(graph, model)
    assert all(is_proven(check(graph, model, graph)))


def changed(kernel: str, place: int, model: onnx.ModelProto) -> None:
    """Another number of one channel among those that a kernel reads, or another scale for all."""
    makers = {name: each for each in model.graph.node for name in each.output}
    name = node(model, kernel).input[place]
    while name in makers:
        name = makers[name].input[0]

    def other(array: Array) -> Array:
        own = array.copy()
        if place == 4:
            own *= np.float32(1.5)
        else:
            own[0] += 2 if place == 3 else 40
        return own

    change(model, name, other)


def first(model: onnx.ModelProto, kind: str) -> onnx.NodeProto:
    found: onnx.NodeProto = next(each for each in model.graph.node if each.op_type == kind)
    return found


def turned_round(model: onnx.ModelProto) -> None:
    join = first(model, "Concat")
    join.input[:] = join.input[::-1]


KERNELS: Final[tuple[Edit, ...]] = tuple(
    partial(changed, kernel, place)
    for kernel in ("act/QLinearConv", "act/QLinearConv_1")
    for place in (3, 4, 8)
)


@pytest.mark.parametrize("edit", [*KERNELS, turned_round])
@pytest.mark.parametrize("graph", [PLAIN, NORMALIZED])
def test_other_numbers_of_one_are_not_the_model_s(graph: Graph, edit: Edit) -> None:
    model = to_onnx(graph)
    edit(model)
    assert not all_found(graph, model)
    assert not any(is_proven(check(graph, model, graph))[2:])


def test_zeros_in_front_of_a_normalization_are_no_states_of_its_table() -> None:
    """It makes other numbers of them, which it may round."""
    graph = model_of(
        *BRANCHES[:2],
        ("first", normalization(3), ["a"]),
        ("pad", AROUND, ["first"]),
        ("norm", normalization(3), ["pad"]),
        ("act", FEW, ["norm"]),
    )
    assert not is_proven(check(graph, to_onnx(graph), graph))[-3]


def with_filler(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(1, np.uint8), "one"))
    first(model, "Pad").input[2:] = ["one"]


def taken_for_others(model: onnx.ModelProto) -> None:
    """Codes beside a kernel, of which the file says elsewhere that they are steps of a half."""
    coded = next(x for x in model.graph.node if x.output[0] in first(model, "Concat").input)
    quantize = next(x for x in model.graph.node if x.output[0] == coded.input[0])
    assert quantize.op_type == "QuantizeLinear"
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "half"))
    quantize.input[1] = "half"


@pytest.mark.parametrize("edit", [with_filler, taken_for_others])
def test_what_is_beside_a_kernel_counts(edit: Edit) -> None:
    model = to_onnx(BESIDE_CODES)
    edit(model)
    assert not all_found(BESIDE_CODES, model)
    assert not any(is_proven(check(BESIDE_CODES, model, BESIDE_CODES))[2:])


@pytest.mark.parametrize(("kind", "index"), [("QuantizeLinear", 1), ("DequantizeLinear", 1)])
def test_what_is_rounded_beside_a_kernel_has_its_steps(kind: str, index: int) -> None:
    """And is read as what it is."""
    model = to_onnx(BESIDE_OTHERS)
    (quantize,) = (x for x in model.graph.node if x.name == "act/QuantizeLinear")
    read = next(x for x in model.graph.node if x.output[0] == quantize.input[0])
    changed_one = quantize if kind == "QuantizeLinear" else read
    assert changed_one.op_type == kind
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "half"))
    changed_one.input[index] = "half"
    assert not all(is_proven(check(BESIDE_OTHERS, model, BESIDE_OTHERS)))


def test_codes_that_a_quantizer_changes_have_to_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same steps, and more of them, though an export would leave them, too."""
    steps = [(x.name, x.op, list(x.inputs)) for x in BESIDE_CODES.nodes]
    more_codes = [(name, NIBBLE if name == "b" else op, read) for name, op, read in steps[:-1]]
    graph = model_of(*more_codes, ("act", FEW, ["pad"]))
    exporter = import_module("qconvert.emit.lowering.requantized")
    monkeypatch.setattr(exporter, "_is_kept", lambda *_: True)
    model = to_onnx(graph)
    assert len(LayeredFile(model).kernels["act"]) == 2
    assert not all_found(graph, model)


def test_a_mean_that_is_joined_leaves_nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights would tell that its numbers are others."""
    exporter = import_module("qconvert.emit.requantization.joins")
    monkeypatch.setattr(exporter, "_may_be_joined", lambda _: True)
    graph = model_of(
        ("q", NIBBLE, ["x"]),
        ("a", conv(3, stride=2), ["q"]),
        ("b", MEAN, ["q"]),
        ("join", Concat(3), ["a", "b"]),
        ("act", NIBBLE, ["join"]),
    )
    model = to_onnx(graph)
    assert "act" in LayeredFile(model).kernels
    assert not all_found(graph, model)
