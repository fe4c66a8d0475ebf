"""The weights that an ONNX file computes with, found by what reads them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.kernels import RAW, Numbers, is_conv, kernel_of, kind_of
from qconvert.checking.deployed.lined import judged_lines
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.checking.deployed.paths import paths_to
from qconvert.checking.deployed.products import products_of
from qconvert.checking.deployed.requantized import Judged, judged_together
from qconvert.checking.deployed.windows import convolution_of
from qconvert.checking.repair.computed import normalization_of
from qconvert.checking.repair.constants import constants_in
from qconvert.ir import F32, Graph, Layer, Node
from qconvert.ir.ops import Conv, ConvTranspose, Dense
from qconvert.reference.normalization import constants

_LINEAR: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_ADDING: Final = frozenset({"Add", "Sum"})


def stored_weights(conversion: Conversion) -> dict[tuple[str, str], F32]:
    """Kernels and biases by layer and role, in Keras's shapes; what is not found is left out.

    Recurrent layers, whose weights lie in the graphs of loops, are not looked for. Of
    normalizations, whose programs read other numbers, those of a channel are all wrong (NaN)
    where one of these is not what the weights make, moved as far as the file tells; so are those
    of a kernel, or a line, that does not round as these do.
    """
    metadata, file, graph = conversion.file.metadata, conversion.file.graph, conversion.graph
    if metadata is None:
        return {}
    cones, fused = conversion.file.cones, conversion.fused
    lines = judged_lines(conversion)
    rounding = {
        x.name: lines[end] for x in graph.layers if (end := fused.get(x.name, x.name)) in lines
    }
    rounding |= _rounding(conversion)
    products = products_of(file, metadata)
    found: dict[tuple[str, str], F32] = {}
    for layer in graph.layers:
        end = fused.get(layer.name, layer.name)
        cone = cones.get(end, [])
        parts: tuple[Iterable[tuple[str, F32]], ...]
        if layer.name in rounding:
            known = rounding[layer.name]
            parts = () if known is None else (_in_a_kernel(layer, known),)
        elif layer.name in fused:
            # Of operators that cannot be read no number is known to be the layer's.
            parts = ()
        else:
            parts = (
                _weights(graph, layer, file, cone, products),
                _of_normalization(graph, layer, file, cone, products),
            )
        found |= {(layer.name, role): array for part in parts for role, array in part}
    return found


def _rounding(conversion: Conversion) -> dict[str, Judged | None]:
    """By layer what is found of the operators that compute it and round sums, if some do."""
    graph, fused = conversion.graph, conversion.fused
    values = {layer.name: layer.value for layer in graph.layers}
    found: dict[str, Judged | None] = {}
    for end, kernels in conversion.file.kernels.items():
        layers = [layer for layer in graph.layers if end == fused.get(layer.name, layer.name)]
        paths = paths_to(graph, values.get(end, ""), conversion.inside)
        judgements = judged_together(paths, kernels, conversion.analysis)
        parts = [_on_a_path(layers, path, one) for path, one in judgements]
        for layer in layers:
            own = [part[layer.name] for part in parts if layer.name in part]
            found[layer.name] = _together(own, graph.shapes[layer.value][-1])
    return found


def _on_a_path(layers: Sequence[Layer], path: Sequence[Node], one: Judged) -> dict[str, Judged]:
    """What is found of the kernel in the place of a *path*, by those *layers* that are on it."""
    values = {node.name for node in path}
    own = [layer for layer in layers if layer.value in values]
    if not any(map(_others, own)):
        # Whatever is wrong with codes, there is nothing but the kernel that it can be.
        one = replace(one, weights=one.codes)
    return dict.fromkeys((layer.name for layer in own), one)


def _together(parts: Sequence[Judged], channels: int | None) -> Judged | None:
    """Of a layer behind all that is joined: its *channels* are theirs, one behind the other.

    Or the same in all.
    """
    if len(parts) < 2:
        return parts[0] if parts else None
    weights, codes = [part.weights for part in parts], [part.codes for part in parts]
    if sum(map(len, codes)) == channels:
        return Judged(np.concatenate(weights), np.concatenate(codes))
    alike = len({len(each) for each in codes}) == 1
    return Judged(np.all(weights, axis=0), np.all(codes, axis=0)) if alike else None


def _in_a_kernel(layer: Layer, found: Judged) -> Iterator[tuple[str, F32]]:
    """The weights of *layer* as far as an operator that rounds has them, and NaN for the others.

    Which number is wrong where codes are cannot be told: all are but the kernel, if that is right,
    or is wrong in a few numbers.
    """
    others = _others(layer)
    one = len(layer.weights) - len(others) == 1
    for role, weight in layer.weights.items():
        right = found.codes if role in others else found.weights
        transposed = role not in others and found.transposed
        array = _without(weight.effective, ~right, transposed=transposed)
        if one and role not in others and found.kernel is not None:
            array = _told(weight.effective, array, found.kernel)
        yield role, array


def _others(layer: Layer) -> list[str]:
    """Roles that are no kernel's."""
    return [role for role in layer.weights if not role.endswith("kernel")]


def _told(effective: F32, array: F32, kernel: F32) -> F32:
    """*array* with the *kernel*'s numbers in channels of NaN, where one of these is wrong."""
    if kernel.size != array.size:
        return array
    flat = array.reshape(-1, kernel.shape[-1])
    own, found = effective.reshape(flat.shape), kernel.reshape(flat.shape)
    explains = np.any(found != own, axis=0) & np.all(np.isfinite(found), axis=0)
    return np.where(np.isnan(flat) & explains, found, flat).reshape(array.shape)


def _without(array: F32, wrong: npt.NDArray[np.bool_], *, transposed: bool) -> F32:
    """The array with NaN for channels: the last axes together, or the last axis but one."""
    if transposed:
        return np.where(wrong[:, np.newaxis], np.float32(np.nan), array)
    flat = array.reshape(-1, len(wrong))
    return np.where(wrong, np.float32(np.nan), flat).reshape(array.shape)


def _weights(
    graph: Graph,
    layer: Layer,
    file: OnnxGraph,
    cone: list[onnx.NodeProto],
    products: Mapping[str, Numbers],
) -> Iterator[tuple[str, F32]]:
    kernels = [(node, k) for node in cone if (k := _kernel(node, file, products)) is not None]
    roles = [role for role in layer.weights if role.endswith("kernel")]
    own = graph.by_layer[layer.name]
    linear = [(x, x.op) for x in own if isinstance(x.op, Dense | Conv | ConvTranspose)]
    if not len(kernels) == len(roles) == len(linear):
        return
    for role, (node, kernel), (drawn, op) in zip(roles, kernels, linear, strict=True):
        effective = layer.weights[role].effective
        array: F32 | None = kernel
        if isinstance(op, Conv) and not is_conv(node):
            shapes = graph.shapes[drawn.inputs[0]], drawn.shape
            array = convolution_of(kernel, node, file, op, shapes)
        if array is None or op.kernel.size != effective.size:
            # A kernel that is laid out for another op: with zeros between its parts.
            continue
        # Depthwise kernels are those of a grouped convolution, in the same order.
        yield role, array.reshape(effective.shape) if array.shape == op.kernel.shape else array
    if "bias" in layer.weights:
        bias = _bias(layer.weights["bias"].effective, file, cone)
        if bias is not None:
            yield "bias", bias


def _of_normalization(
    graph: Graph,
    layer: Layer,
    file: OnnxGraph,
    cone: list[onnx.NodeProto],
    products: Mapping[str, Numbers],
) -> Iterator[tuple[str, F32]]:
    op = normalization_of(graph, layer)
    if op is None or not products.keys() >= set(_sums_in(cone, file)):
        return
    expected = constants(op)
    found = constants_in(file, cone)
    if [each.kind for each in found] != [kind for kind, _ in expected]:
        return
    pairs = zip(found, expected, strict=True)
    # In the file's own type: a number of float64 that rounds to the right one is another.
    right = np.all([np.equal(*np.broadcast_arrays(a.flat, b)) for a, (_, b) in pairs], axis=0)
    for role, weight in layer.weights.items():
        yield role, np.where(right, weight.effective, np.float32(np.nan))


def _sums_in(cone: list[onnx.NodeProto], file: OnnxGraph) -> Iterator[str]:
    """The sums of codes that operators read."""
    for node in cone:
        for name in node.input:
            maker = file.maker(name)
            if maker is not None and kind_of(maker) in RAW:
                yield name


def _kernel(node: onnx.NodeProto, file: OnnxGraph, products: Mapping[str, Numbers]) -> F32 | None:
    """The second factor of a linear operator, in Keras's layout."""
    raw = kind_of(node) in RAW
    if not raw and node.op_type not in _LINEAR:
        return None
    array = products.get(node.output[0]) if raw else kernel_of(node, file)
    if array is None:
        return None
    kernel: F32 = array.astype(np.float32)
    return kernel.transpose(*range(2, kernel.ndim), 1, 0) if is_conv(node) else kernel


def _bias(effective: F32, file: OnnxGraph, cone: list[onnx.NodeProto]) -> F32 | None:
    """The constant beside a linear operator, or added behind it; the equal one if there is one."""
    names = [node.input[2] for node in cone if node.op_type in _LINEAR and len(node.input) > 2]
    names += [name for node in cone if node.op_type in _ADDING for name in node.input]
    subtracted = [node.input[1] for node in cone if node.op_type == "Sub"]
    constants = [file.constant(name) for name in names]
    constants += [None if a is None else -a for a in map(file.constant, subtracted)]
    fitting = [a.reshape(-1) for a in constants if a is not None and a.size == effective.size]
    equal = (array for array in fitting if np.array_equal(array, effective))
    return next(equal, fitting[0] if fitting else None)
