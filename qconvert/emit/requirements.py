"""What a runtime has to have, or be told, to compute what a file says.

The conditions are those that docs/TARGETS.md was measured to have; each is stated by the operators
that it is about, so that most files have few.
"""

from collections.abc import Iterator, Set
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from qconvert.emit.metadata import Requirements
from qconvert.emit.subgraphs import with_inner

_Numbers: TypeAlias = npt.NDArray[Any]

#: As `check` finds it.
VNNI: Final = "on x86 a CPU with VNNI, or the session option session.x64quantprecision=1"
#: There sums of codes are rounded otherwise, and products together with what is added to them.
ARM: Final = "on ARM optimizations off, or the dialect float"
#: Without it OpenVINO computes in bfloat16, and quantizes what dense layers read.
_ACCURACY: Final = "EXECUTION_MODE_HINT=ACCURACY"
_FLOAT: Final = "the dialect float"

_LINEAR: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "QLinearConv"})
#: The mantissa of powers of two.
_POWER: Final = 0.5
_BYTES: Final = frozenset({onnx.TensorProto.UINT8, onnx.TensorProto.INT8})


def requirements(
    graph: onnx.GraphProto, *, vnni: bool, either_way: Set[str] = frozenset()
) -> Requirements:
    """Those of a finished *graph*; *vnni* says that products of its bytes may saturate.

    Sums that are right *either way* may be rounded together with the products in front of them.
    """
    file = _File(graph, either_way)
    cpu = {VNNI: vnni, ARM: any(map(file.rounds_on_arm, file.nodes))}
    openvino = {
        _ACCURACY: any(node.op_type in _LINEAR for node in file.nodes),
        _FLOAT: any(map(file.misleads_openvino, file.nodes)),
    }
    return Requirements(
        cpu=tuple(text for text, needed in cpu.items() if needed),
        openvino=tuple(text for text, needed in openvino.items() if needed),
    )


class _File:
    """A graph with those inside of its nodes, of which no two tensors have one name."""

    def __init__(self, graph: onnx.GraphProto, either_way: Set[str]) -> None:
        graphs = list(with_inner(graph))
        self.nodes = [node for each in graphs for node in each.node]
        self._stored = {tensor.name: tensor for each in graphs for tensor in each.initializer}
        self._makers = {name: node for node in self.nodes for name in node.output}
        self._either_way = either_way

    def rounds_on_arm(self, node: onnx.NodeProto) -> bool:
        """Whether ARM rounds otherwise what this computes."""
        return self._rounds_sum(node) or self._rounds_together(node)

    def _rounds_together(self, node: onnx.NodeProto) -> bool:
        """Whether this adds to sums of bytes that are multiplied by more than powers of two.

        Of that ONNX Runtime makes one operator; of a ``Sum`` it does not.
        """
        if node.op_type != "Add" or node.output[0] in self._either_way:
            return False
        return any(maker and self._scales_sums(maker) for maker in map(self._maker, node.input))

    def _scales_sums(self, node: onnx.NodeProto) -> bool:
        if node.op_type != "Mul":
            return False
        sums, factor = node.input
        made = self._maker(sums)
        cast = made is not None and made.op_type == "Cast"
        product = self._maker(made.input[0]) if made is not None and cast else None
        if product is None or product.op_type != "MatMulInteger":
            return False
        return any(np.any(np.frexp(each)[0] != _POWER) for each in self._numbers(factor))

    def _numbers(self, name: str) -> Iterator[_Numbers]:
        """What a constant is computed from."""
        if name in self._stored:
            yield numpy_helper.to_array(self._stored[name])
        elif (maker := self._maker(name)) is not None:
            for each in maker.input:
                yield from self._numbers(each)

    def _rounds_sum(self, node: onnx.NodeProto) -> bool:
        """Whether this quantizes a sum of bytes more coarsely than one of them."""
        if node.op_type != "QuantizeLinear" or self._kind(node) not in _BYTES:
            return False
        total = self._maker(node.input[0])
        if total is not None and total.op_type == "Relu":
            # Which the quantizer behind it makes superfluous.
            total = self._maker(total.input[0])
        if total is None or total.op_type != "Add" or not self._adds_codes(total):
            return False
        branches = [self._steps(maker) for maker in map(self._maker, total.input) if maker]
        return any(np.any(steps % self._steps(node)) for steps in branches)

    def misleads_openvino(self, node: onnx.NodeProto) -> bool:
        """Whether OpenVINO is known to compute something else of this operator.

        Scales of a kernel's channels, codes of 16 bits, those with a zero point, and sums of codes.
        """
        match node.op_type:
            case "QLinearConv":
                return bool(self._stored[node.input[4]].dims)
            case "QuantizeLinear":
                zero = numpy_helper.to_array(self._stored[node.input[2]])
                return self._kind(node) not in _BYTES or bool(zero.any())
            case "Add":
                return self._adds_codes(node)
            case _:
                return False

    def _adds_codes(self, node: onnx.NodeProto) -> bool:
        makers = [self._maker(name) for name in node.input]
        return all(maker and maker.op_type == "DequantizeLinear" for maker in makers)

    def _maker(self, name: str) -> onnx.NodeProto | None:
        return self._makers.get(name)

    def _steps(self, node: onnx.NodeProto) -> _Numbers:
        """The scale of a quantization or its inverse."""
        return numpy_helper.to_array(self._stored[node.input[1]])

    def _kind(self, node: onnx.NodeProto) -> int:
        return int(self._stored[node.input[2]].data_type)
