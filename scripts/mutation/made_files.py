"""Bugs in the files of the models of `models.py`, in layers that the trained ones do not have."""

from typing import Final

import numpy as np
import onnx

from scripts.mutation.changes import HALF, signed_weights
from scripts.mutation.edits import (
    Array,
    Edit,
    Step,
    attribute,
    becomes,
    constant,
    dropped,
    node_of,
    operand,
    preceded,
    reads,
    requantized,
    together,
)
from scripts.mutation.file_mutant import FileMutant

_BYTE: Final = np.int8(0)
_TIME_FIRST: Final = Step("Transpose", attributes={"perm": [1, 0, 2]})


def _by_multiplier(kernel: Array) -> Array:
    """Channels of a depthwise kernel in the other order: all of one multiplier together."""
    return kernel.reshape(4, 2, *kernel.shape[1:]).swapaxes(0, 1).reshape(kernel.shape)


def _padded_with_zeros(pool: str, pads: list[int]) -> Edit:
    """Zeros around what is pooled, where nothing should be."""
    amounts = np.array([0, 0, *pads[:2], 0, 0, *pads[2:]])
    return together(
        preceded(pool, 0, Step("Pad", (amounts, np.float32(128)))),
        attribute(pool, "pads", [0, 0, 0, 0]),
    )


def _codes_as_numbers(concat: str, index: int, codes: str) -> Edit:
    """A branch that nothing dequantizes."""
    return together(
        reads(concat, index, codes),
        preceded(concat, index, Step("Cast", (), {"to": onnx.TensorProto.FLOAT})),
    )


def _without_the_last(ones: Array) -> Array:
    """Behind which is a zero in each row."""
    ones[..., -1, -2] = 0
    return ones


def _without_the_first(weights: Array) -> Array:
    weights[..., 0, 0] = 0
    return weights


def _reversed(name: str) -> Edit:
    """Inputs in the other order."""

    def edit(model: onnx.ModelProto) -> None:
        node = node_of(model, name)
        node.input[:] = list(node.input)[::-1]

    return edit


CONVOLUTIONS: Final = (
    FileMutant(
        "dilated-pads", "G01", "convolutions", "dilated",
        attribute("dilated/Conv", "pads", [3, 1, 1, 1]),
    ),
    FileMutant(
        "scales-of-the-other-axis", "G08", "convolutions", "one_wide",
        attribute("one_wide:conv/DequantizeLinear", "axis", 1),
    ),
    FileMutant(
        "lowest-code-of-pixels", "G11", "convolutions", "pixels",
        operand("pixels/Clip", 1, lambda lo: lo + 1),
    ),
    FileMutant(
        "codes-joined", "G13", "convolutions", "joined",
        _codes_as_numbers("joined/Concat", 0, "pixels/Clip"),
    ),
    FileMutant(
        "codes-stacked", "G13", "convolutions", "stacked",
        _codes_as_numbers("stacked/Concat", 1, "mean/Transpose"),
    ),
    FileMutant(
        "no-mean", "G15", "convolutions", "unscaled", operand("unscaled/Sub", 1, np.zeros_like)
    ),
    FileMutant(
        "no-beta", "G15", "convolutions", "quantized", operand("quantized/Add", 1, np.zeros_like)
    ),
    FileMutant(
        "multipliers-first", "G16", "convolutions", "depthwise",
        operand("depthwise/Cast", 0, _by_multiplier),
    ),
    FileMutant(
        "multipliers-first-folded", "G16", "convolutions", "folded_depthwise",
        operand("folded_depthwise/Cast", 0, _by_multiplier),
    ),
    FileMutant(
        "biases-of-multipliers", "G16", "convolutions", "depthwise",
        operand("depthwise/Conv", 2, _by_multiplier),
    ),
    FileMutant(
        "axes-turned", "G19", "convolutions", "output turned",
        attribute("turned/Transpose", "perm", [0, 1, 3, 2]),
    ),
    FileMutant("joined-backwards", "G19", "convolutions", "joined", _reversed("joined/Concat")),
    FileMutant(
        "stacked-sideways", "G19", "convolutions", "stacked",
        attribute("stacked/Concat", "axis", 3),
    ),
    FileMutant(
        "padding-counted", "G20", "convolutions", "mean",
        attribute("mean/AveragePool", "count_include_pad", 1),
    ),
    FileMutant(
        "zeros-in-the-maximum", "G20", "convolutions", "maximum",
        _padded_with_zeros("maximum/MaxPool", [1, 0, 1, 1]),
    ),
    FileMutant(
        "mean-of-eight", "G20", "pools", "part_of_nine",
        operand("part_of_nine/Cast", 0, _without_the_last),
    ),
    FileMutant(
        "mean-of-three", "G20", "pools", "codes_of_four",
        operand("codes_of_four/Cast", 0, _without_the_last),
    ),
    FileMutant(
        "weight-of-a-mean", "G20", "pools", "summed_conv",
        operand("averaged_conv/Gather", 0, _without_the_first),
    ),
    FileMutant(
        "codes-halved-among-floats", "G20", "pools", "largest",
        preceded("largest/Cast_1", 0, Step("Mul", (HALF,))),
    ),
    FileMutant(
        "mean-of-what-is-cropped", "G20", "convolutions", "overall",
        together(
            reads("overall:reduce/ReduceMean", 0, "strided/Reshape_1"),
            preceded(
                "overall:reduce/ReduceMean", 0,
                Step("DequantizeLinear", (np.float32(0.25), np.uint8(128))),
            ),
        ),
    ),
    FileMutant(
        "mean-unscaled", "G21", "convolutions", "overall", dropped("overall/Mul")
    ),
    FileMutant(
        "pool-unscaled", "G21", "convolutions", "quantized_mean",
        operand("quantized_mean/QLinearConv", 4, np.ones_like),
    ),
)  # fmt: skip

LINEAR: Final = (
    FileMutant(
        "steps-and-features", "G18", "linear", "rows",
        preceded("rows/MatMul", 0, Step("Transpose", (), {"perm": [0, 2, 1]})),
    ),
    FileMutant(
        "branch-not-turned", "G19", "linear", "minus", reads("minus/Sub", 1, "rows")
    ),
    FileMutant("slope", "G22", "linear", "leaky", attribute("leaky/LeakyRelu", "alpha", 0.3)),
    FileMutant(
        "upper-bound", "G22", "linear", "capped",
        constant("capped/Clip", 2, np.float32(6)),
    ),
    FileMutant(
        "bound-of-relu6", "G22", "linear", "softer", constant("softer/Clip", 2, np.float32(5.75))
    ),
    FileMutant("no-threshold", "G22", "linear", "capped", reads("capped/Where", 1, "0")),
    FileMutant(
        "causal-centred", "G01", "linear", "causal", attribute("causal:conv/Conv", "pads", [2, 2])
    ),
    # By output two products exceed 16 bits; by input none would.
    FileMutant(
        "signed-weights-of-outputs", "G04", "linear", "wide_range_kernel",
        signed_weights("wide_range_kernel"),
        verdict="PASSES", remark="needs a CPU with VNNI", remarked="wide_range_kernel",
    ),
    FileMutant(
        "sum-requantized", "G33", "linear", "total",
        preceded("total/Add_1", 0, *requantized(2**-2, _BYTE)),
    ),
    FileMutant(
        "decimal-scale", "G06", "linear", "total",
        preceded("total/Add_1", 1, *requantized(0.1, _BYTE)),
    ),
    FileMutant(
        "average-requantized", "G33", "linear", "average",
        preceded("average/Div", 0, *requantized(2**-4, _BYTE)),
    ),
    FileMutant(
        "line-a-code-up", "G15", "linear", "normalized",
        operand("normalized/Add", 1, lambda addend: addend + np.float32(2**-3)),
    ),
    FileMutant(
        "minimum-for-maximum", "G32", "linear", "larger", becomes("larger/Max", "Min")
    ),
    FileMutant(
        "padded-in-front", "G20", "linear", "padded",
        operand("padded/Pad", 1, lambda pads: pads[[0, 4, 2, 3, 1, 5]]),
    ),
)  # fmt: skip

QUANTIZERS: Final = (
    FileMutant(
        "signed-zero-point", "G07", "quantizers", "bits",
        operand("bits/QuantizeLinear", 2, lambda zero: zero - 1),
    ),
    FileMutant(
        "narrow-range", "G11", "quantizers", "bits_narrow",
        operand("bits_narrow/Clip", 1, lambda lo: lo - 1),
    ),
    FileMutant(
        "wide-half-a-step", "G11", "quantizers", "bits_wide",
        operand("bits_wide/Clip", 2, lambda hi: hi + np.float32(2**-9)),
    ),
    FileMutant(
        "negative-slope", "G22", "quantizers", "relu_leaky",
        operand("relu_leaky/Mul_3", 1, lambda slope: slope / 2),
    ),
    FileMutant(
        "relu-bound", "G22", "quantizers", "relu_bounded",
        operand("relu_bounded/Min_1", 1, lambda bound: bound + np.float32(2**-3)),
    ),
    FileMutant(
        "tanh-shifted", "G23", "quantizers", "tanh",
        constant("tanh/Sub", 1, np.float32(0.875)),
    ),
    FileMutant(
        "slope-of-sigmoid", "G23", "quantizers", "sigmoid",
        constant("sigmoid/Mul", 1, np.float32(0.25)),
    ),
    FileMutant(
        "zero-negative", "G25", "quantizers", "sign",
        constant("sign/Greater", 1, np.float32(0)),
    ),
    FileMutant(
        "ternary-threshold", "G25", "quantizers", "levels",
        becomes("levels/GreaterOrEqual", "Greater"),
    ),
    FileMutant(
        "power-threshold", "G26", "quantizers", "po2",
        operand("po2/GreaterOrEqual_3", 1, lambda x: np.nextafter(x, np.float32(9))),
    ),
)  # fmt: skip

SEQUENCES: Final = (
    FileMutant(
        "forwards", "G36", "sequences", "backwards",
        attribute("backwards/Scan", "scan_input_directions", [0, 0]),
    ),
    FileMutant(
        "second-direction", "G36", "sequences", "both", reads("both/Concat", 1, "both:slice_2")
    ),
    FileMutant("directions-exchanged", "G19", "sequences", "both", _reversed("both/Concat")),
    FileMutant(
        "mask-of-one", "G36", "sequences", "agreed",
        together(
            reads("agreed:recurrence/Scan", 2, "masked:stepmask"),
            # Time first, as the loop has its sequences.
            preceded("agreed:recurrence/Scan", 2, _TIME_FIRST),
        ),
    ),
    FileMutant(
        "fresh-states", "G36", "sequences", "resumed",
        together(
            reads("resumed:recurrence/Scan", 0, "kept:recurrence/ConstantOfShape"),
            reads("resumed:recurrence/Scan", 1, "kept:recurrence/ConstantOfShape"),
        ),
    ),
    FileMutant(
        "steps-joined-backwards", "G19", "sequences", "longer", _reversed("longer/Concat")
    ),
    FileMutant(
        "all-steps-counted", "G20", "sequences", "mean", constant("mean/Div", 1, np.float32(5))
    ),
)  # fmt: skip

MADE: Final = (*CONVOLUTIONS, *LINEAR, *QUANTIZERS, *SEQUENCES)
