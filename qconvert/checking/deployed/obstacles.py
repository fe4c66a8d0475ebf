"""Why a linear operator of a file does not become one of ONNX Runtime's integer kernels.

That needs bytes on both sides: dequantized ones to compute from, weights of up to 8 bits, and for
convolutions a quantizer that alone reads the result. What stands in the way is read off the graph.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import onnx

from qconvert.checking.deployed.casting import MOVING
from qconvert.checking.deployed.kernels import LINEAR, called, input_of, is_integer, kind_of
from qconvert.checking.deployed.onnx_graph import OnnxGraph
from qconvert.emit.codes import LARGEST_CODE, encode, lowest_bits
from qconvert.emit.lowering.groups import FEWEST_OUTPUTS, is_slow_alone
from qconvert.ir import F32

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
#: What has an integer kernel, and whether that returns floats where no quantizer reads it.
_RETURNS_FLOATS: Final = {"Conv": False, "Gemm": True, "MatMul": True}
#: What affine functions consist of, a cast to float64 and back among them.
_AFFINE: Final = frozenset({"Add", "Cast", "Mul", "Sub"})
#: The axes of a kernel with a window of two, and the largest byte.
_IMAGE: Final = 4
_MOST: Final = 255
_BYTE: Final = 8
#: Why what follows the sums is no part of a kernel of integers.
POOLED_FIRST: Final = (
    "a factor behind the maximum of a pool is negative, so that these cannot change places"
)
_FEW_OF_GROUPS: Final = "integer kernels of groups with so few channels are slower"
_FEW: Final = "integer kernels of so few channels are slower, one place of a row at a time"
_OWN_BIAS: Final = "a bias that is off the grid of its products is added in float"


def obstacles(node: onnx.NodeProto, graph: OnnxGraph) -> tuple[str, ...]:
    """What stands in the way, in the order of the computation; each of them suffices.

    Where bytes come in, what is behind the sums, together with what keeps these from being integers
    that become floats.
    """
    kind = node.op_type
    if is_integer(node):
        return ()
    if kind not in _RETURNS_FLOATS:
        return (f"ONNX Runtime has no integer kernel of {kind}",)
    if _is_kept_in_floats(node, graph):
        return (_FEW if _stated(node).get("group", 1) == 1 else _FEW_OF_GROUPS,)
    before = (*_of_input(node.input[0], graph), *_of_weights(node, graph))
    behind = () if _RETURNS_FLOATS[kind] else tuple(_of_result(node.output[0], graph, not before))
    if not (before or behind) and _has_own_bias(node, graph):
        behind = (_OWN_BIAS,)
    if behind and not before:
        # It could be one of integers all the same, whose sums become floats.
        return (f"{' and '.join(behind)}, and {_not_as_sums(node, graph)}",)
    return (*before, *behind)


def falls_behind_pool(passed: Sequence[onnx.NodeProto], graph: OnnxGraph) -> bool:
    """Whether largest results are multiplied by a negative number, in some channel at least."""
    kinds = [node.op_type for node in passed]
    behind = passed[kinds.index("MaxPool") :] if "MaxPool" in kinds else []
    factors = (graph.constant(x.input[1]) for x in behind if x.op_type == "Mul")
    return any(factor is not None and np.any(factor < 0) for factor in factors)


def _is_kept_in_floats(node: onnx.NodeProto, graph: OnnxGraph) -> bool:
    """Whether `export` chose floats for a convolution of codes, of few channels or small groups."""
    kernel = graph.constant(input_of(node, LINEAR[kind_of(node)].kernel))
    groups = _stated(node).get("group", 1)
    if node.op_type != "Conv" or kernel is None:
        return False
    alone = is_slow_alone((*kernel.shape[2:], *kernel.shape[1::-1]))
    if not (alone if groups == 1 else len(kernel) // groups < FEWEST_OUTPUTS):
        return False
    maker = graph.maker(node.input[0])
    hides = maker is not None and _keeps(maker, graph)
    if not hides or any(_of_input(node.input[0], graph)):
        return False
    passed, end = _behind(node.output[0], graph)
    if groups == 1:
        off_grid = any(_of_weights(node, graph)) or _is_off_grid(node, kernel, graph)
        if off_grid or any(each.op_type not in MOVING for each in passed):
            return False
    readers = [reader.op_type for reader in graph.readers(end)]
    return readers == [_QUANTIZE] and not graph.returns(end)


def _stated(node: onnx.NodeProto) -> dict[str, Any]:
    return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}


def _of_input(name: str, graph: OnnxGraph) -> Iterator[str]:
    maker = graph.maker(name)
    while maker is not None and (maker.op_type in MOVING or _keeps(maker, graph)):
        name = maker.input[0]
        maker = graph.maker(name)
    if maker is None:
        yield f"its input {name!r} comes in as floats"
    elif bits := _bits_in_float(maker, graph):
        yield f"its input is rounded to {bits} bits in float"
    elif maker.op_type != _DEQUANTIZE:
        yield f"its input is float: {called(maker)} computes it"
    elif (bits := _bits(maker, graph)) != _BYTE:
        yield f"its input has codes of {bits} bits"


def _keeps(node: onnx.NodeProto, graph: OnnxGraph) -> bool:
    """Whether it multiplies by 1, with which `export` hides codes from the runtime."""
    factor = graph.constant(node.input[1]) if node.op_type == "Mul" else None
    return factor is not None and bool(np.all(factor == 1))


def _of_weights(node: onnx.NodeProto, graph: OnnxGraph) -> Iterator[str]:
    name = input_of(node, LINEAR[kind_of(node)].kernel)
    numbers = graph.constant(name)
    if numbers is None:
        maker = graph.maker(name)
        if maker is None or maker.op_type != _DEQUANTIZE:
            yield "both of its factors are computed, the second one in float"
        return
    dequantized = _dequantization(name, graph)
    if not (encode(numbers, 0) or encode(numbers, numbers.ndim - 1)):
        yield "its weights lie on no power-of-two grid"
    elif dequantized is None:
        yield "its weights are stored as floats"
    elif (bits := _bits(dequantized, graph)) != _BYTE:
        yield f"its weights are codes of {bits} bits"


def _dequantization(name: str, graph: OnnxGraph) -> onnx.NodeProto | None:
    """What makes floats of a weight's codes, also where a product with 1, or a step, follows."""
    maker = graph.maker(name)
    if maker is None or maker.op_type in (_DEQUANTIZE, "Cast"):
        return maker
    return _dequantization(maker.input[0], graph) if maker.op_type == "Mul" else None


def _bits(node: onnx.NodeProto, graph: OnnxGraph) -> int:
    """The width of the codes that a (de)quantization has; that of bytes if it is not known."""
    arrays = (graph.constant(input_of(node, place)) for place in (2, 0))
    # Without a zero point, the codes themselves tell it where they are constant.
    found = (8 * a.dtype.itemsize for a in arrays if a is not None and a.dtype != np.float32)
    return next(found, _BYTE)


def _bits_in_float(end: onnx.NodeProto, graph: OnnxGraph) -> int:
    """Of the quantizer of more than a byte that *end* is the last operator of; 0 if it is none."""
    residue = graph.maker(end.input[1]) if end.op_type == "Add" else None
    if residue is not None and residue.op_type == "Sub":
        # QKeras's straight-through expression.
        end = graph.maker(residue.input[0]) or end
    clip = graph.maker(end.input[0]) if end.op_type == "Mul" else end
    rounding = graph.maker(clip.input[0]) if clip is not None and clip.op_type == "Clip" else None
    if clip is None or rounding is None or rounding.op_type != "Round":
        return 0
    return _bits_of(clip, graph)


def _bits_of(clip: onnx.NodeProto, graph: OnnxGraph) -> int:
    """Of the whole numbers up to its ends, if a byte does not hold these."""
    lo, hi = (graph.constant(input_of(clip, place)) for place in (1, 2))
    if lo is None or hi is None or lo.size != 1 or not np.isfinite([lo, hi]).all():
        return 0
    least, most = int(lo.item()), int(hi.item())
    bits = max(most, -least - 1, 0).bit_length() + (least < 0)
    return bits if bits > _BYTE else 0


def _begins_rounding(node: onnx.NodeProto, graph: OnnxGraph) -> int:
    """The bits of the quantizer of more than a byte that *node* is the first operator of, or 0."""
    for kind in ("Mul", "Round"):
        readers = graph.readers(node.output[0]) if node.op_type == kind else []
        node = readers[0] if len(readers) == 1 else node
    return _bits_in_float(node, graph) if node.op_type == "Clip" else 0


def _behind(name: str, graph: OnnxGraph) -> tuple[list[onnx.NodeProto], str]:
    """Follows a result to its quantizer as long as one operator reads it: these, and the last."""
    passed: list[onnx.NodeProto] = []
    readers = graph.readers(name)
    while len(readers) == 1 and not graph.returns(name):
        if readers[0].op_type == _QUANTIZE or _begins_rounding(readers[0], graph):
            break
        passed.append(readers[0])
        name = readers[0].output[0]
        readers = graph.readers(name)
    return passed, name


def _of_result(name: str, graph: OnnxGraph, bytes_come_in: bool) -> Iterator[str]:
    passed, name = _behind(name, graph)
    between = [node for node in passed if node.op_type not in MOVING]
    readers = graph.readers(name)
    if between and not (readers and _absorbs(readers[0], between, graph)):
        yield from _passed(between, graph, bytes_come_in)
    if bytes_come_in and falls_behind_pool(passed, graph):
        yield POOLED_FIRST
    widths = {_bits(reader, graph) for reader in readers if reader.op_type == _QUANTIZE}
    if rounded := max((_begins_rounding(reader, graph) for reader in readers), default=0):
        yield f"its result is rounded to {rounded} bits in float"
    elif wide := widths - {_BYTE}:
        # Others read it, too: what QKeras returns is the rounded number only within limits.
        yield f"its result is quantized to {max(wide)} bits"
    elif len(readers) > 1 or (readers and graph.returns(name)):
        others = ["the caller"] * graph.returns(name)
        yield f"several read its result: {', '.join([*map(called, readers), *others])}"
    elif not readers:
        yield "no quantizer is behind it"


def _has_own_bias(node: onnx.NodeProto, graph: OnnxGraph) -> bool:
    """Whether it adds a bias of floats, which `export` gives to an operator of floats alone."""
    name = input_of(node, LINEAR[kind_of(node)].bias)
    return bool(name) and graph.maker(name) is None


def _is_off_grid(node: onnx.NodeProto, kernel: F32, graph: OnnxGraph) -> bool:
    """Whether its bias is no multiple of the steps of its products of dequantized codes."""
    bias = graph.constant(input_of(node, LINEAR[kind_of(node)].bias))
    if bias is None:
        return False
    maker = graph.maker(node.input[0])
    while maker is not None and maker.op_type != _DEQUANTIZE:
        maker = graph.maker(maker.input[0])
    scale = None if maker is None else graph.constant(input_of(maker, 1))
    if scale is None:
        return True
    step = float(scale.min()) * 2.0 ** int(lowest_bits(kernel[kernel != 0]).min(initial=0))
    return bool(np.any(np.remainder(bias.astype(np.float64), step)))


def _absorbs(quantizer: onnx.NodeProto, between: list[onnx.NodeProto], graph: OnnxGraph) -> bool:
    """Whether a quantizer makes 0 of all that is below: then what does only that is left out."""
    zero = graph.constant(input_of(quantizer, 2))
    lowest = zero is not None and bool(np.all(zero == np.iinfo(zero.dtype).min))
    return lowest and all(node.op_type == "Relu" for node in between)


def _passed(between: list[onnx.NodeProto], graph: OnnxGraph, bytes_come_in: bool) -> Iterator[str]:
    kinds = dict.fromkeys(node.op_type for node in between)
    joins = next((node for node in between if _joins(node, graph)), None)
    if joins is not None:
        yield f"another value joins its result before a quantizer does: {called(joins)}"
    elif not _AFFINE.issuperset(kinds):
        yield f"is followed by {', '.join(kinds)} in float"
    elif not bytes_come_in:
        # Behind bytes the kernel might have taken it in: nothing was in the way yet.
        return
    elif set(kinds) <= {"Add", "Sub"} and len(between) == 1:
        yield _OWN_BIAS
    else:
        yield f"an affine function, as of a batch normalization, is behind it: {', '.join(kinds)}"


def _joins(node: onnx.NodeProto, graph: OnnxGraph) -> bool:
    """Whether an operator reads more than one value that depends on inputs."""
    return sum(graph.constant(name) is None for name in node.input if name) > 1


def _not_as_sums(node: onnx.NodeProto, graph: OnnxGraph) -> str:
    """Why `export` made no sums of integers of a convolution of bytes either."""
    kernel = graph.constant(input_of(node, LINEAR[kind_of(node)].kernel))
    found = None if kernel is None else encode(kernel, 0)
    if found is None:
        return "its kernel is computed, too"
    if _stated(node).get("group", 1) != 1:
        return "ONNX Runtime computes the groups of a ConvInteger one by one"
    if found.codes.ndim > _IMAGE:
        return (
            "ONNX Runtime has no fast ConvInteger of three axes, and its channels are too few, or "
            "its weights too large, to be gathered"
        )
    if _MOST * abs(found.codes).reshape(len(found.codes), -1).sum(axis=1).max() > LARGEST_CODE:
        return "its sums may take more than 24 bits, or it is too small for sums of integers"
    return "it is too small for sums of integers to be faster"
