"""Operators of ONNX, and of ONNX Runtime's own, that compute what the file says and no more.

The proofs know them as sums of products in some order, as movements, as roundings to steps, or as
functions of single numbers, of which an inexact one is certified nowhere.
"""

from typing import Final

from qconvert.checking.deployed.kernels import LINEAR, Kind

_MOVEMENTS: Final = (
    "BitShift Cast Compress Concat ConstantOfShape Constant DepthToSpace Expand Flatten "
    "Gather GatherElements GatherND Identity If Loop MaxPool OneHot Pad Range Reshape Resize "
    "ReverseSequence Scan ScatterElements ScatterND Shape Size Slice SpaceToDepth Split Squeeze "
    "Tile TopK Transpose Trilu Unsqueeze Where"
)
_COMPARISONS: Final = (
    "And ArgMax ArgMin Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Max Min Not Or "
    "ReduceMax ReduceMin Xor"
)
_ROUNDINGS: Final = "Ceil Clip DequantizeLinear Floor QuantizeLinear Round Sign"
_SUMS: Final = (
    "Add AveragePool CumSum Div GlobalAveragePool Mean Mod Mul Neg ReduceMean ReduceSum Sub Sum"
)
_FUNCTIONS: Final = (
    "Abs BatchNormalization Celu Cos Elu Erf Exp Gelu HardSigmoid HardSwish "
    "InstanceNormalization LayerNormalization LeakyRelu Log LogSoftmax Mish PRelu Pow Reciprocal "
    "ReduceL1 ReduceL2 ReduceLogSumExp ReduceProd ReduceSumSquare Relu Selu Sigmoid Sin Softmax "
    "Softplus Softsign Sqrt Tan Tanh ThresholdedRelu"
)
#: Of bytes: what `QLinear` operators return is rounded once, if their scales are powers of two,
#: and if what the means among them divide by is one.
_MICROSOFT: Final = (
    "BiasGelu BiasSoftmax FastGelu Gelu NhwcMaxPool QLinearAdd QLinearAveragePool QLinearConcat "
    "QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearSigmoid QLinearSoftmax "
    "QLinearWhere QuantizeLinear DequantizeLinear QuickGelu SkipLayerNormalization"
)
_BLOCKED: Final = (
    "AveragePool GlobalAveragePool GlobalMaxPool MaxPool ReorderInput ReorderOutput Upsample"
)


def _of(domain: str, *lists: str) -> frozenset[Kind]:
    return frozenset((domain, name) for names in lists for name in names.split())


KNOWN: Final = (
    frozenset(LINEAR)
    | _of("", _MOVEMENTS, _COMPARISONS, _ROUNDINGS, _SUMS, _FUNCTIONS, "GlobalMaxPool")
    | _of("com.microsoft", _MICROSOFT)
    | _of("com.microsoft.nchwc", _BLOCKED)
)

#: Operators that quantize, by themselves and as the data have it, what the file multiplies.
QUANTIZING: Final = _of("", "DynamicQuantizeLinear") | _of(
    "com.microsoft",
    "DynamicQuantizeLSTM DynamicQuantizeMatMul MatMulBnb4 MatMulNBits QAttention QMoE",
)
