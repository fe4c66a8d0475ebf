"""What linear operators multiply by, float and integer ones, as numbers without rounding."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.checking.deployed.onnx_graph import Array, OnnxGraph
from qconvert.checking.deployed.scaled_sums import behind_first_step

#: A domain, "" for ONNX's own, and an operator.
Kind: TypeAlias = tuple[str, str]
Numbers: TypeAlias = npt.NDArray[np.float64]

_MICROSOFT: Final = "com.microsoft"
#: Weights in blocks of channels, as wide as the vectors of the CPU, with zeros appended.
BLOCKED: Final = ("com.microsoft.nchwc", "Conv")
_CONV_INTEGER: Final = ("", "ConvInteger")
_MATMUL_INTEGER: Final = ("", "MatMulInteger")
#: Their sums have no scale; what is behind them may.
RAW: Final = frozenset({_CONV_INTEGER, _MATMUL_INTEGER})


@dataclass(frozen=True, slots=True)
class Places:
    """Which inputs of a linear operator hold what; integers stand for floats by scale and zero.

    ``x_`` are those of the other factor. ``wide_bias`` is one in steps of the products.
    """

    kernel: int
    bias: int | None = None
    scale: int | None = None
    zero: int | None = None
    x_scale: int | None = None
    x_zero: int | None = None
    wide_bias: bool = True

    @property
    def integer(self) -> bool:
        """Whether the products are those of codes."""
        return self.zero is not None


_QLINEAR_CONV: Final = Places(3, 8, scale=4, zero=5, x_scale=1, x_zero=2)
_QLINEAR_MATMUL: Final = Places(3, scale=4, zero=5, x_scale=1, x_zero=2)
LINEAR: Final[dict[Kind, Places]] = {
    ("", "Conv"): Places(1, 2),
    ("", "ConvTranspose"): Places(1, 2),
    ("", "Gemm"): Places(1, 2),
    ("", "MatMul"): Places(1),
    (_MICROSOFT, "FusedConv"): Places(1, 2),
    (_MICROSOFT, "FusedGemm"): Places(1, 2),
    (_MICROSOFT, "FusedMatMul"): Places(1),
    BLOCKED: Places(1, 2),
    _CONV_INTEGER: Places(1, zero=3, x_zero=2),
    _MATMUL_INTEGER: Places(1, zero=3, x_zero=2),
    ("", "QLinearConv"): _QLINEAR_CONV,
    (_MICROSOFT, "QLinearConv"): _QLINEAR_CONV,
    ("", "QLinearMatMul"): _QLINEAR_MATMUL,
    (_MICROSOFT, "QGemm"): Places(3, 6, scale=4, zero=5, x_scale=1, x_zero=2),
    (_MICROSOFT, "MatMulIntegerToFloat"): Places(
        1, 6, scale=3, zero=5, x_scale=2, x_zero=4, wide_bias=False
    ),
}

#: They add a bias to the first of the parts that a long sum is cut into; convolutions, to the sum.
_BIAS_EARLY: Final = frozenset({("", "Gemm"), (_MICROSOFT, "FusedGemm")})

#: Convolutions whose fourth input is what they begin to sum with, instead of 0.
_WITH_BEGINNING: Final = frozenset({BLOCKED, (_MICROSOFT, "FusedConv")})


def kind_of(node: onnx.NodeProto) -> Kind:
    """The operator with its domain."""
    return ("" if node.domain == "ai.onnx" else node.domain), node.op_type


def operator_of(node: onnx.NodeProto) -> str:
    """The operator with its domain, as one word."""
    return ".".join(filter(None, kind_of(node)))


def called(node: onnx.NodeProto) -> str:
    """The operator and its name, for people."""
    return f"{operator_of(node)} {node.name}".strip()


def is_integer(node: onnx.NodeProto) -> bool:
    """Whether an operator computes with codes, which scales make numbers of."""
    places = LINEAR.get(kind_of(node))
    return places.integer if places else node.op_type.startswith("QLinear")


def is_conv(node: onnx.NodeProto) -> bool:
    """Whether the first axis of the kernel is one of channels, not the first of a matrix."""
    return "Conv" in node.op_type


def input_of(node: onnx.NodeProto, place: int | None) -> str:
    """The name of an input; empty if the operator has none there."""
    return node.input[place] if place is not None and place < len(node.input) else ""


def adds_bias_early(node: onnx.NodeProto) -> bool:
    """Whether a float bias may be rounded before the sum is finished."""
    kind = kind_of(node)
    return kind in _BIAS_EARLY and bool(input_of(node, LINEAR[kind].bias))


def begins_with_others(node: onnx.NodeProto) -> bool:
    """Whether products are added to results of another operator, each sum of them rounded."""
    return kind_of(node) in _WITH_BEGINNING and bool(input_of(node, 3))


def codes_of(node: onnx.NodeProto, graph: OnnxGraph) -> Array | None:
    """The kernel as it is stored, floats or codes, in the layout of `kernel_of`.

    `None` also for an array of fewer axes than a kernel has, which onnx's checker lets pass.
    """
    array = graph.constant(input_of(node, LINEAR[kind_of(node)].kernel))
    transposed = attribute(node, "transB", 0)
    if array is None or array.ndim < (3 if is_conv(node) else 2 if transposed else 1):
        return None
    return array.swapaxes(-1, -2) if transposed else array


def kernel_of(node: onnx.NodeProto, graph: OnnxGraph) -> Numbers | None:
    """The constant that a linear operator multiplies by, exactly.

    That of a convolution has ONNX's layout, that of a product of matrices [..., in, out]; it is
    ``None`` for other operators, and where both factors depend on inputs. Codes that no scale
    belongs to count as numbers, and so do those of the other factor where it has none. To that of
    sums belongs what multiplies them next, but for a step of all of them in front of it.
    """
    places = LINEAR.get(kind_of(node))
    if places is None:
        return None
    if kind_of(node) in RAW:
        return in_steps(node, graph, by_channel(behind_first_step(node, graph), node, graph))
    return in_steps(node, graph, graph.constant(input_of(node, places.scale)))


def in_steps(node: onnx.NodeProto, graph: OnnxGraph, scale: Array | None) -> Numbers | None:
    """The constant of a linear operator, codes less their zero in steps of *scale* if it has such.

    One for all or one a channel; without it they are numbers.
    """
    codes, places = codes_of(node, graph), LINEAR[kind_of(node)]
    if codes is None:
        return None
    zero = graph.constant(input_of(node, places.zero)) if places.integer else None
    numbers = codes.astype(np.float64)
    if zero is not None:
        numbers = numbers - _along(zero.astype(np.float64), node, codes.ndim)
    if scale is not None:
        numbers = numbers * _along(scale.astype(np.float64), node, codes.ndim)
    return numbers * float(attribute(node, "alpha", 1.0))


def by_channel(scale: Array | None, node: onnx.NodeProto, graph: OnnxGraph) -> Array | None:
    """*scale* as (channels,), or () for all, if it multiplies the results of *node* like that."""
    codes = codes_of(node, graph)
    if scale is None or codes is None:
        return None
    if scale.size == 1:
        return scale.reshape(())
    own = (len(codes), *[1] * (codes.ndim - 2)) if is_conv(node) else codes.shape[-1:]
    fits = scale.size == own[0] and scale.shape[-len(own) :] == own
    return scale.reshape(-1) if fits else None


def bias_of(node: onnx.NodeProto, graph: OnnxGraph) -> Numbers | None:
    """The constant that a linear operator adds, exactly: one of codes in steps of the products."""
    places = LINEAR.get(kind_of(node))
    array = None if places is None else graph.constant(input_of(node, places.bias))
    if places is None or array is None:
        return None
    numbers = array.astype(np.float64)
    if not (places.integer and places.wide_bias):
        return numbers * float(attribute(node, "beta", 1.0))
    for place in (places.x_scale, places.scale):
        scale = graph.constant(input_of(node, place))
        numbers = numbers if scale is None else numbers * scale.astype(np.float64)
    return numbers * float(attribute(node, "alpha", 1.0))


def _along(values: Array, node: onnx.NodeProto, ndim: int) -> Array:
    """One number a channel, beside the kernel's other axes; or one for all."""
    if values.size == 1:
        return values.reshape(())
    if values.ndim > 1:
        return values
    return values.reshape(-1, *(1,) * (ndim - 1)) if is_conv(node) else values


def attribute(node: onnx.NodeProto, name: str, default: float) -> float:
    """The number that an operator has as an attribute, or its *default*."""
    found = (onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name)
    return next(found, default)
