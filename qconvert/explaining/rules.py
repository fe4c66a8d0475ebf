"""Why one number that an operation returns is what it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from qconvert.explaining import arithmetic, moves, sums
from qconvert.explaining.operands import Operand
from qconvert.explaining.results import (
    Applied,
    Choice,
    Element,
    Index,
    Reason,
    Unknown,
    WeightElement,
)
from qconvert.explaining.rounding import rounded
from qconvert.explaining.weights import Source, source
from qconvert.ir import F32, Op, Weight
from qconvert.ir.ops import (
    Affine,
    BatchNormalization,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Elementwise,
    Merge,
    Opaque,
    Pad,
    Pool,
    Quantize,
    Recurrence,
    Reduce,
    Relu,
    Reshape,
    Scale,
    Slice,
    Softmax,
    Transpose,
    UpSample,
)
from qconvert.ir.stock import (
    Divide,
    Embedding,
    FoldTime,
    JointSoftmax,
    LayerNormalization,
    MatMul,
    Power,
    PRelu,
    Resize,
    StepMask,
    StockOp,
    UnfoldTime,
    UnitNormalize,
    Where,
    WithConstant,
)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One element of what an operation returned: ``index``, with the batch, of ``value``.

    ``weights`` are the layer's; ``proof`` says whether float32 can round here.
    """

    inputs: Sequence[Operand]
    value: F32
    index: Index
    weights: Mapping[str, Weight]
    proof: sums.Proof

    @property
    def result(self) -> float:
        """The number that is explained."""
        return float(self.value[self.index])

    def source(self, role: str, array: F32) -> Source:
        """Where the numbers of an operation's array come from."""
        return source(array, role, self.weights)

    def optional(self, role: str, array: F32 | None) -> Source | None:
        """The same of an array that need not be there."""
        return None if array is None else self.source(role, array)


def reason(op: Op, case: Case) -> Reason:
    """The explanation of one element; a recurrence is followed step by step elsewhere."""
    x, index = case.inputs[0], case.index
    match op:
        case Quantize(quantizer=quantizer):
            return rounded(quantizer, x, index, case.result)
        case Dense() | Conv() | ConvTranspose():
            return _summed(case, _linear(op, case))
        case Pool(kind="max"):
            return _choice("largest", [x.at(i) for i in sums.window(op, x, index)], case)
        case Pool():
            return _summed(case, sums.window_mean(op, x, index))
        case Reduce(kind="max" | "min" as kind):
            name = "largest" if kind == "max" else "smallest"
            return _choice(name, [x.at(i) for i in sums.reduced(op, x, index)], case)
        case Reduce():
            return _summed(case, sums.axes_sum(op, x, index))
        case BatchNormalization():
            return _computed(case, x.at(index), arithmetic.normalized(op, index))
        case Scale(factor=factor):
            return _computed(case, x.at(index), [arithmetic.Next("*", "factor", factor)])
        case Affine():
            return _computed(case, x.at(index), arithmetic.affine(op, index))
        case Merge(kind="maximum" | "minimum" as kind):
            name = "largest" if kind == "maximum" else "smallest"
            return _choice(name, [each.at(each.broadcast(index)) for each in case.inputs], case)
        case Merge():
            return _computed(case, *arithmetic.merged(op, case.inputs, index))
        case Relu():
            return Applied(_relu(op), (x.at(index),))
        case Softmax(axis=axis):
            return _along("exp(x - max) / sum(exp(x - max))", case, (axis,))
        case Elementwise(function=function):
            return Applied(f"{function.value}(x)", (x.at(index),), doubt=case.proof.doubt)
        case Concat():
            return moves.concatenated(op, case.inputs, index)
        case Reshape():
            return moves.reshaped(x, case.value.shape, index)
        case Transpose():
            return moves.transposed(op, x, index)
        case Pad():
            return moves.padded(op, x, index)
        case Slice():
            return moves.sliced(op, x, index)
        case UpSample():
            return moves.upsampled(op, x, index)
        case Recurrence():
            raise ValueError("a recurrence is followed step by step")
        case Opaque(converter=converter):
            return Unknown(converter)
        case _:
            return _stock(op, case)


def _stock(op: StockOp, case: Case) -> Reason:
    x, index = case.inputs[0], case.index
    match op:
        case WithConstant(kind="maximum" | "minimum"):
            return Applied(f"{op.kind} of x and a constant", (x.at(index),))
        case WithConstant():
            constant = case.source("constant", op.constant)
            return _computed(case, *arithmetic.with_constant(op, constant, x, index))
        case Divide():
            return _computed(case, *arithmetic.divided(case.inputs, index))
        case PRelu(slope=slope):
            factor = case.source("slope", slope)
            return _computed(case, *arithmetic.parametric(op, factor, x, index))
        case Power(exponent=exponent):
            text = f"x to the power of {exponent:g}"
            return Applied(text, (x.at(index),), doubt=case.proof.doubt)
        case MatMul():
            return _summed(case, sums.matrix_product(case.inputs, index))
        case Resize():
            return moves.resized(op, x, index)
        case Embedding(table=table):
            return moves.looked_up(case.source("embeddings", table), x, index)
        case LayerNormalization(axes=axes):
            return _along("(x - mean) / sqrt(variance + epsilon) * gamma + beta", case, axes)
        case UnitNormalize(axes=axes):
            return _along("x / sqrt(sum of squares)", case, axes)
        case JointSoftmax(axes=axes):
            return _along("exp(x - log(sum(exp(x))))", case, axes)
        case FoldTime() | UnfoldTime():
            return moves.reshaped(x, case.value.shape, index)
        case StepMask(value=value):
            # What is there of the last axis decides, and none of it alone.
            first = [x.at(i) for i in x.along((x.array.ndim - 1,), index)]
            return Applied(f"1 where any number is not {value:g}, else 0", (), tuple(first))
        case Where():
            return moves.selected(case.inputs, index)
        case _:
            assert_never(op)


def _linear(op: Dense | Conv | ConvTranspose, case: Case) -> sums.Parts:
    kernel, bias = case.source("kernel", op.kernel), case.optional("bias", op.bias)
    x, index = case.inputs[0], case.index
    match op:
        case Dense():
            return sums.dense(op, kernel, bias, x, index)
        case Conv():
            return sums.conv(op, kernel, bias, x, index)
        case ConvTranspose():
            return sums.conv_transpose(op, kernel, bias, x, index)
        case _:
            assert_never(op)


def _summed(case: Case, parts: sums.Parts) -> Reason:
    found = sums.summed(parts, case.inputs[0], case.result, case.proof)
    return found or Applied("a sum with numbers that are not finite", (), tuple(parts.x))


def _computed(
    case: Case, start: Element | WeightElement, following: Sequence[arithmetic.Next]
) -> Reason:
    found = arithmetic.computed(start, following, case.result)
    if found is not None:
        return found
    numbers = (start, *(each.source for each in following))
    elements = tuple(each for each in numbers if isinstance(each, Element))
    return Applied("arithmetic with numbers that are not finite", elements)


def _choice(kind: str, candidates: Sequence[Element], case: Case) -> Reason:
    equal = [i for i, each in enumerate(candidates) if each.number == case.result]
    if not equal:
        return Applied(f"the {kind} of numbers that are not finite", (), tuple(candidates))
    return Choice(kind, tuple(candidates), equal[0], len(equal))


def _along(function: str, case: Case, axes: Sequence[int]) -> Applied:
    x = case.inputs[0]
    others = tuple(x.at(index) for index in x.along(axes, case.index))
    return Applied(function, (x.at(case.index),), others, case.proof.doubt)


def _relu(op: Relu) -> str:
    if not op.slope and not op.threshold:
        text = "max(x, 0)"
    else:
        below = f"{op.slope:g} * (x - {op.threshold:g})" if op.slope else "0"
        text = f"x above {op.threshold:g}, {below} up to there"
    return text if op.max_value is None else f"{text}, at most {op.max_value:g}"
