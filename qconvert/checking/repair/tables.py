"""Tables of real functions in a file, made anew from what TensorFlow returns."""

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from onnx import numpy_helper

from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.repair.constants import drop_unused, unused
from qconvert.checking.repair.moves import THRESHOLD, Move, Unrepaired
from qconvert.checking.scans.alone import NotAloneError, operators
from qconvert.checking.scans.floats import positions_of
from qconvert.checking.scans.scan import Subject, programs_of, subjects
from qconvert.checking.scans.thresholds import steps
from qconvert.checking.witness import Panel
from qconvert.emit.staircase import by_digit
from qconvert.emit.thresholds import thresholds
from qconvert.exactness import Analysis
from qconvert.ir import F32, Graph
from qconvert.ir.quantizers import QuantizedSigmoid, QuantizedTanh

_TOO_SMALL = "its table in the file has too few places"


def follow_tables(
    graph: Graph, analysis: Analysis, model: onnx.ModelProto, panel: Panel
) -> Iterator[Move | Unrepaired]:
    """Put TensorFlow's thresholds into *model*; those that `export` has elsewhere, as moves."""
    for each in subjects(graph, analysis):
        if isinstance(each.quantizer, QuantizedTanh | QuantizedSigmoid):
            yield from _follow(each, each.quantizer, model, panel)


def _follow(
    subject: Subject,
    q: QuantizedTanh | QuantizedSigmoid,
    model: onnx.ModelProto,
    panel: Panel,
) -> Iterator[Move | Unrepaired]:
    if panel.quantizers is None or panel.alone is None:
        return
    try:
        lone = panel.alone(subject.layer, q)
        found = steps(q, programs_of(subject, lone, panel.quantizers))
        compared = _compared(model, subject.layer, q)
    except NotAloneError:
        return
    tables = _tables(model, subject.layer)
    if found is None or not (compared or tables):
        return
    if tables is None:
        fits = _compare(model, compared, q, found)
    else:
        fits = _search(model, subject.layer, tables, found)
    if not fits:
        example = ((subject.node.inputs[0], float(found[0][0])),)
        yield Unrepaired(subject.layer, _TOO_SMALL, 0, len(found[0]), example)
        return
    yield from _moves(subject.layer, found[0], thresholds(q)[0])


def _compared(
    model: onnx.ModelProto, layer: str, q: QuantizedTanh | QuantizedSigmoid
) -> list[onnx.NodeProto]:
    """What compares with a threshold, in order."""
    nodes = operators(model, layer, q).nodes
    return [node for node in nodes if node.op_type == "GreaterOrEqual"]


def _compare(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    q: QuantizedTanh | QuantizedSigmoid,
    found: tuple[F32, F32],
) -> bool:
    """Have *nodes* compare with what was *found*, if for every digit there are enough of them."""
    rooms, turning = by_digit(*thresholds(q)), by_digit(*found)
    if rooms is None or turning is None or len(rooms) != len(turning):
        return False
    if any(len(new) > len(room) for new, room in zip(turning, rooms, strict=True)):
        return False
    file = OnnxGraph(model.graph)
    pairs = zip(turning, rooms, strict=True)
    new = np.concatenate([_filled(some, len(room), np.inf) for some, room in pairs])
    for node, number in zip(nodes, new, strict=True):
        if file.constant(node.input[1]) != number:
            # One of its own, for others may share the old one.
            name = unused(model, f"{node.output[0]}/threshold")
            model.graph.initializer.append(numpy_helper.from_array(number, name))
            node.input[1] = name
    drop_unused(model)
    return True


def _search(
    model: onnx.ModelProto, layer: str, tables: tuple[F32, F32], found: tuple[F32, F32]
) -> bool:
    """Have the layer search in what was *found*, if its *tables* have room."""
    places, values = found
    if len(places) > len(tables[0]):
        return False
    filled = _filled(places, len(tables[0]), np.inf), _filled(values, len(tables[1]), values[-1])
    if not all(np.array_equal(a, b) for a, b in zip(filled, tables, strict=True)):
        _put(model, layer, filled)
    return True


def _moves(layer: str, places: F32, exported: F32) -> Iterator[Move]:
    """How far each is from the nearest that `export` has."""
    own, theirs = positions_of(places), positions_of(exported)
    for i, place in enumerate(own):
        ulps = int(min((place - other for other in theirs), key=abs, default=0))
        if ulps:
            yield Move(layer, 0, THRESHOLD, i, ulps)


def _filled(array: F32, size: int, filler: float) -> F32:
    return np.pad(array, (0, size - len(array)), constant_values=filler)


def _tables(model: onnx.ModelProto, layer: str) -> tuple[F32, F32] | None:
    """The thresholds and the values of a search, if the layer ends with one."""
    file = OnnxGraph(model.graph)
    found: dict[bool, F32] = {}
    for node, searched in _gathers(model, layer):
        array = file.constant(node.input[0])
        if array is None or array.ndim != 1 or array.dtype != np.float32:
            return None
        found[searched] = array
    return (found[True], found[False]) if len(found) == 2 else None


def _cone(model: onnx.ModelProto, layer: str) -> list[onnx.NodeProto]:
    return LayeredFile(model).cones.get(layer, [])


def _gathers(model: onnx.ModelProto, layer: str) -> Iterator[tuple[onnx.NodeProto, bool]]:
    """What takes numbers from tables, and whether it is to compare them."""
    cone = _cone(model, layer)
    compared = {name for node in cone if node.op_type == "GreaterOrEqual" for name in node.input}
    for node in cone:
        if node.op_type == "Gather":
            yield node, node.output[0] in compared


def _put(model: onnx.ModelProto, layer: str, new: tuple[F32, F32]) -> None:
    """Tables of their own for the layer, for others may share the old ones."""
    names = {True: unused(model, f"{layer}/thresholds"), False: unused(model, f"{layer}/values")}
    for searched, array in zip((True, False), new, strict=True):
        model.graph.initializer.append(numpy_helper.from_array(array, names[searched]))
    for node, searched in list(_gathers(model, layer)):
        _own(model, layer, node).input[0] = names[searched]
    drop_unused(model)


def _own(model: onnx.ModelProto, layer: str, node: onnx.NodeProto) -> onnx.NodeProto:
    """*node*, or a copy for the layer if others share it, as equal searches do their first step."""
    (old,), cone = node.output, _cone(model, layer)
    readers = [each for each in model.graph.node if old in each.input]
    if all(each in cone for each in readers):
        return node
    at = list(model.graph.node).index(node)
    model.graph.node.insert(at, node)
    copy: onnx.NodeProto = model.graph.node[at]
    copy.name = copy.output[0] = unused(model, f"{layer}/Gather")
    for each in readers:
        if each in cone:
            each.input[list(each.input).index(old)] = copy.output[0]
    return copy
