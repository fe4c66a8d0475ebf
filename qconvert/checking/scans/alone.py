"""The operators of an ONNX file that compute one quantizer, as a file of their own.

Where a layer is more than its quantizer, they are those that are drawn as `emit` draws this
quantizer alone: the same operators on one another. Their constants are the file's, right or wrong,
as long as operations with them rise and fall as they should.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from qconvert.checking.deployed.onnx_graph import Array, OnnxGraph
from qconvert.checking.scans.floats import Program
from qconvert.emit import to_onnx
from qconvert.emit.metadata import LayerTensor, read_metadata
from qconvert.emit.power_of_two import ONE_BIT
from qconvert.errors import LimitError, WitnessError
from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, Quantizer
from qconvert.ir.ops import Dense, Quantize
from qconvert.ir.quantizers import QuantizedBits, QuantizedHswish
from qconvert.modelfile import DEFAULT_LIMITS, Limits
from qconvert.runners.ort import OrtRunner
from qconvert.runners.traces import Trace

#: What the file calls its numbers and its results.
_INPUT: Final = "x"
_OUTPUT: Final = "y"
#: What makes whole numbers, which are next to no threshold of a real function.
_SUMS_IN_FRONT: Final = (
    Quantize(QuantizedBits(2, 1, alpha=1.0)),
    Dense(np.ones((1, 1), np.float32), None),
)


class NotAloneError(Exception):
    """Why a quantizer's operators cannot be run by themselves."""


@dataclass(frozen=True, slots=True, eq=False)
class Alone:
    """A file that takes numbers ``x`` (n,) and returns what its ``end`` holds for each.

    ``thresholds`` are all numbers that it looks for *x*, or something made of it, among;
    ``limits`` say how large a result may be.
    """

    model: onnx.ModelProto
    end: LayerTensor
    thresholds: F32
    limits: Limits

    @property
    def sha256(self) -> str:
        """Of all that it computes with."""
        return hashlib.sha256(self.model.SerializeToString(deterministic=True)).hexdigest()

    def programs(self) -> tuple[Program, Program]:
        """ONNX Runtime with this file, optimizations off and on.

        Both raise `NotAloneError` where it cannot run it.
        """
        runner = OrtRunner(self.model, self.limits)
        return self._program(runner.run_layers), self._program(runner.run_deployed)

    def _program(self, run: Callable[[Mapping[str, F32]], Trace]) -> Program:
        def program(x: F32) -> F32:
            try:
                return self._numbers(run({_INPUT: x}).outputs[_OUTPUT])
            except (LimitError, WitnessError) as error:
                raise NotAloneError(f"its operators alone: {error}") from error

        return program

    def _numbers(self, result: Array) -> F32:
        """What the results stand for."""
        codes = self.end.codes
        if result.dtype == np.float32 or codes is None:
            return result
        steps = result.astype(np.int64) - codes.zero_point
        numbers: F32 = np.ldexp(steps.astype(np.float64), np.array(codes.exp)).astype(np.float32)
        return numbers


@dataclass(frozen=True, slots=True, eq=False)
class Operators:
    """Those in ``graph`` that compute a layer's last quantizer, from ``start`` to ``end``."""

    graph: OnnxGraph
    nodes: list[onnx.NodeProto]
    start: str
    end: LayerTensor


def alone(
    model: onnx.ModelProto, layer: str, quantizer: Quantizer, limits: Limits = DEFAULT_LIMITS
) -> Alone:
    """The operators of *layer*'s last quantizer; `NotAloneError` if they are not found."""
    found = operators(model, layer, quantizer)
    thresholds = _thresholds(found.graph, found.nodes)
    return Alone(_file(found, _opset(model)), found.end, thresholds, limits)


def operators(model: onnx.ModelProto, layer: str, quantizer: Quantizer) -> Operators:
    """The same, in the file itself."""
    metadata = read_metadata(model)
    ends = [one for one in metadata.layers if one.layer == layer] if metadata else []
    if metadata is None or not ends or not (ends[0].tensor or ends[0].codes):
        raise NotAloneError("the file does not compute it")
    (end,) = ends
    graph = OnnxGraph(model.graph)
    patterns = _patterns(quantizer, metadata.dialect, _opset(model), coded=end.tensor is None)
    for start in _starts(graph, _tensor(end)):
        cone = _ordered(graph, _tensor(end), start)
        if _drawn(graph, cone, start) in patterns and _fits(graph, cone, quantizer):
            return Operators(graph, cone, start, end)
    raise NotAloneError("its operators are not those of this quantizer alone")


def _fits(graph: OnnxGraph, cone: Sequence[onnx.NodeProto], quantizer: Quantizer) -> bool:
    """Whether what turns from falling to rising does so where it should, and nothing else turns."""
    if not isinstance(quantizer, QuantizedHswish):
        return all(_rises(graph, node) for node in cone)
    names = {name for node in cone for name in node.input}
    known = {float(a) for name in names if (a := graph.constant(name)) is not None and a.size == 1}
    wanted = (quantizer.relu_shift, quantizer.relu_upper_bound)
    return known >= {float(np.float32(number)) for number in wanted}


def _rises(graph: OnnxGraph, node: onnx.NodeProto) -> bool:
    """Whether a number that goes far away and back (``far - (far - x)``) comes back as one bit.

    It rises with *x* then; by way of another number it may not.
    """
    inner = graph.maker(node.input[1]) if node.op_type == "Sub" else None
    far = graph.maker(node.input[0]) if node.op_type == "Sub" else None
    if inner is None or inner.op_type != "Sub" or inner.input[0] != node.input[0]:
        return True
    factor = graph.constant(far.input[1]) if far is not None and far.op_type == "Mul" else None
    return factor is not None and np.array_equal(factor, np.float32(ONE_BIT))


def _tensor(end: LayerTensor) -> str:
    name = end.tensor or (end.codes and end.codes.tensor)
    assert name
    return name


def _opset(model: onnx.ModelProto) -> int:
    return max((int(x.version) for x in model.opset_import if not x.domain), default=0)


_Drawing = tuple[tuple[object, ...], ...]


def _patterns(
    quantizer: Quantizer, dialect: str, opset: int, *, coded: bool
) -> tuple[_Drawing, ...]:
    """The operators that `emit` writes for it where it reads floats, and where it reads sums.

    Up to its floats, or up to its codes.
    """
    return tuple(
        _pattern(front, quantizer, dialect, opset, coded=coded) for front in ((), _SUMS_IN_FRONT)
    )


def _pattern(
    front: tuple[Op, ...], quantizer: Quantizer, dialect: str, opset: int, *, coded: bool
) -> _Drawing:
    shape = (None, 1)
    ops, names = [*front, Quantize(quantizer)], [f"f{i}" for i in range(len(front))]
    sources = zip([*names, _OUTPUT], ops, [_INPUT, *names], strict=True)
    nodes = tuple(Node(name, op, (source,), shape) for name, op, source in sources)
    layers = tuple(Layer(node.name, "QActivation", node.name) for node in nodes)
    lone = Graph("alone", (Input(_INPUT, shape),), nodes, (Output(_OUTPUT, _OUTPUT),), layers)
    model = to_onnx(lone, dialect=dialect, opset=opset)
    metadata = read_metadata(model)
    assert metadata is not None
    *before, end = metadata.layers
    start = _tensor(before[-1]) if before else _INPUT
    result = end.codes.tensor if coded and end.codes else _tensor(end)
    graph = OnnxGraph(model.graph)
    return _drawn(graph, _ordered(graph, result, start), start)


def _starts(graph: OnnxGraph, end: str) -> Iterator[str]:
    """The tensors that alone *end* is computed from, nearest first."""
    needed = {end}
    for node in reversed(graph.cone([end], set())):
        if needed.intersection(node.output):
            needed -= set(node.output)
            needed |= {name for name in node.input if name and graph.constant(name) is None}
            if len(needed) == 1:
                yield next(iter(needed))


def _ordered(graph: OnnxGraph, end: str, start: str) -> list[onnx.NodeProto]:
    """The operators between both, each behind those that it reads, whatever the file's order is.

    Others may read some of them, too, so that they stand elsewhere in the file.
    """
    found: dict[str, onnx.NodeProto] = {}

    def visit(name: str) -> None:
        node = graph.maker(name)
        if name == start or node is None or graph.constant(name) is not None:
            return
        if node.output[0] not in found:
            for each in node.input:
                visit(each)
            found[node.output[0]] = node

    visit(end)
    return list(found.values())


def _drawn(graph: OnnxGraph, cone: Sequence[onnx.NodeProto], start: str) -> _Drawing:
    """Operators with their attributes, and which of them each reads; constants by their signs."""
    number = {start: -1}
    drawn: list[tuple[object, ...]] = []
    for node in cone:
        reads = tuple(_read(graph, name, number) for name in node.input)
        attributes = tuple(sorted(str(attribute) for attribute in node.attribute))
        number |= dict.fromkeys(node.output, len(drawn))
        drawn.append((node.op_type, node.domain, attributes, reads))
    return tuple(drawn)


def _read(graph: OnnxGraph, name: str, number: dict[str, int]) -> object:
    if name in number or not name:
        return number.get(name, name)
    array = graph.constant(name)
    if array is None:
        return "another tensor"
    # What rises by a positive constant falls by a negative one.
    return array.dtype.str, array.ndim, float(np.sign(array.item())) if array.size == 1 else None


def _thresholds(graph: OnnxGraph, cone: Sequence[onnx.NodeProto]) -> F32:
    """All that numbers are compared with; tables of it a search needs in order."""
    gathered = {
        node.output[0]: graph.constant(node.input[0]) for node in cone if node.op_type == "Gather"
    }
    found = [np.zeros(0, np.float32)]
    for node in cone:
        if node.op_type != "GreaterOrEqual":
            continue
        table = gathered.get(node.input[1])
        if table is not None and np.any(table[1:] < table[:-1]):
            raise NotAloneError("its thresholds are not in order")
        compared = graph.constant(node.input[1]) if table is None else table
        found += [] if compared is None else [compared.ravel()]
    return np.unique(np.concatenate(found))


def _file(found: Operators, opset: int) -> onnx.ModelProto:
    graph, cone = found.graph, found.nodes
    names = dict.fromkeys(name for node in cone for name in node.input if name)
    constants = {name: array for name in names if (array := graph.constant(name)) is not None}
    # Called by their places, so that equal operators make equal files.
    called = {name: f"c{i}" for i, name in enumerate(constants)} | {found.start: _INPUT}
    called |= {name: f"t{i}" for i, node in enumerate(cone) for name in node.output}
    called[_tensor(found.end)] = _OUTPUT
    made = [_renamed(node, called) for node in cone]
    graph_proto = helper.make_graph(
        made,
        "alone",
        [helper.make_tensor_value_info(_INPUT, onnx.TensorProto.FLOAT, ["n"])],
        [onnx.ValueInfoProto(name=_OUTPUT)],
        [numpy_helper.from_array(np.asarray(a), called[n]) for n, a in constants.items()],
    )
    return helper.make_model(
        graph_proto, opset_imports=[helper.make_opsetid("", opset)], ir_version=10
    )


def _renamed(node: onnx.NodeProto, called: dict[str, str]) -> onnx.NodeProto:
    new = onnx.NodeProto()
    new.CopyFrom(node)
    new.input[:] = [called[name] if name else "" for name in node.input]
    new.output[:] = [called[name] for name in node.output]
    new.name = new.doc_string = ""
    return new
