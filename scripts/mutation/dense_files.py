"""Bugs in the files of the trained jet classifiers: dense layers on two and three axes."""

from typing import Final

import numpy as np

from scripts.mutation.changes import (
    BYTE,
    HALF,
    frozen,
    one_less,
    recoded,
    signed_weights,
    to_eight_bits,
    to_float16,
    turned,
    weights_alone,
)
from scripts.mutation.edits import (
    Step,
    attribute,
    becomes,
    described,
    exchanged,
    in_steps,
    operand,
    preceded,
    reads,
    requantized,
    together,
)
from scripts.mutation.file_mutant import FileMutant

#: Decided by rules, on the graph that ONNX Runtime makes of the file.
_QUANTIZES: Final = "quantizes what it multiplies while it runs"
_SATURATES: Final = "needs a CPU with VNNI"

JET_MLP: Final = (
    FileMutant(
        "scale-inverted", "G07", "jet_mlp", "relu1",
        operand("relu1/QuantizeLinear", 1, np.reciprocal),
    ),
    FileMutant(
        "kernel-scale-inverted", "G07", "jet_mlp", "fc2",
        operand("fc2/DequantizeLinear", 1, np.reciprocal),
    ),
    FileMutant(
        "bias-of-the-input-alone", "G09", "jet_mlp", "fc2",
        operand("fc2/DequantizeLinear_1", 1, lambda scale: scale * np.float32(32)),
    ),
    FileMutant(
        "bias-in-eight-bits", "G09", "jet_mlp", "fc3",
        operand("fc3/DequantizeLinear_1", 0, to_eight_bits),
    ),
    FileMutant(
        "bias-one-step", "G09", "jet_mlp", "output",
        operand("output/DequantizeLinear_1", 0, one_less),
    ),
    FileMutant(
        "signed-before-relu", "G10", "jet_mlp", "relu1",
        operand("relu1/Clip", 2, lambda hi: hi // 2),
    ),
    FileMutant(
        "highest-code", "G11", "jet_mlp", "relu3", operand("relu3/Clip", 2, lambda hi: hi - 1)
    ),
    FileMutant(
        "lowest-code", "G11", "jet_mlp", "relu2", operand("relu2/Clip", 1, lambda lo: lo + 1)
    ),
    FileMutant(
        "relu-half-up", "G11", "jet_mlp", "relu3",
        preceded(
            "relu3/QuantizeLinear", 0, *in_steps(2**-6, Step("Add", (HALF,)), Step("Floor"))
        ),
    ),
    FileMutant(
        "other-scale-in-between", "G12", "jet_mlp", "fc3",
        preceded("fc3/Gemm", 0, *requantized(2**-5, BYTE)),
    ),
    FileMutant(
        "square-kernel-turned", "G18", "jet_mlp", "fc3",
        operand("fc3/DequantizeLinear", 0, turned),
    ),
    FileMutant(
        "softmax-over-the-batch", "G19", "jet_mlp", "softmax",
        attribute("softmax/Softmax", "axis", 0),
    ),
    FileMutant(
        "biases-exchanged", "G30", "jet_mlp", "fc2",
        exchanged("fc2/DequantizeLinear_1", "fc3/DequantizeLinear_1", 0),
    ),
    FileMutant("batch-of-one-input", "G31", "jet_mlp", "input_1", frozen, verdict="UNCHECKED"),
    FileMutant("activation-skipped", "G32", "jet_mlp", "fc2", reads("fc2/Gemm", 0, "fc1")),
    FileMutant(
        "softmax-by-a-hair", "G29", "jet_mlp", "softmax",
        preceded("softmax/Softmax", 0, Step("Mul", (np.float32(1 + 2**-10),))),
    ),
    FileMutant(
        "softmax-of-nothing", "G36", "jet_mlp", "softmax",
        preceded("softmax/Softmax", 0, Step("Sub", (np.float32(np.inf),))),
    ),
    FileMutant(
        "softmax-twice", "G32", "jet_mlp", "softmax",
        preceded("softmax/Softmax", 0, Step("Softmax", (), {"axis": 1})),
    ),
    FileMutant(
        "dropout-left-in", "G27", "jet_mlp", "fc3",
        preceded(
            "fc3/Gemm", 0, Step("Dropout", (np.float32(0.1), np.bool_(True)), {"seed": 1})
        ),
    ),
)  # fmt: skip

#: Not bugs of what is computed, but of what a check has to go by.
UNTOLD: Final = (
    FileMutant(
        "layer-untold", "G36", "jet_mlp", "relu2", described("relu2"), verdict="UNCHECKED"
    ),
    FileMutant(
        "weight-lost", "G36", "jet_mlp", "weight lost/kernel", together(),
        verdict="UNCHECKED", unconverted=("lost/kernel",),
    ),
)  # fmt: skip

JET_DEEPSETS: Final = (
    FileMutant(
        "zero-point-less-one", "G07", "jet_deepsets", "phi2",
        operand("phi2/DequantizeLinear", 2, lambda zero: zero - 1),
    ),
    FileMutant(
        "scale-squared", "G07", "jet_deepsets", "phi3",
        operand("phi3/DequantizeLinear", 1, np.square),
    ),
    FileMutant(
        "codes-signed", "G07", "jet_deepsets", "q_activation_1",
        recoded("q_activation_1", zero=np.int8(0)),
    ),
    FileMutant(
        "coarser-codes", "G07", "jet_deepsets", "q_activation_1",
        recoded("q_activation_1", scale=2),
    ),
    FileMutant(
        "rounded-down", "G11", "jet_deepsets", "q_activation",
        preceded("q_activation/QuantizeLinear", 0, *in_steps(2**-8, Step("Floor"))),
    ),
    FileMutant(
        "square-kernel-turned-3d", "G18", "jet_deepsets", "phi2",
        operand("phi2/DequantizeLinear", 0, turned),
    ),
    FileMutant(
        "mean-as-maximum", "G20", "jet_deepsets", "global_average_pooling1d",
        becomes("global_average_pooling1d/ReduceMean", "ReduceMax"),
    ),
    FileMutant(
        "mean-as-sum", "G20", "jet_deepsets", "global_average_pooling1d",
        becomes("global_average_pooling1d/ReduceMean", "ReduceSum"),
    ),
    FileMutant(
        "bias-in-float16", "G29", "jet_deepsets", "dense", operand("dense/Add", 1, to_float16)
    ),
    FileMutant(
        "kernels-exchanged", "G30", "jet_deepsets", "phi2",
        exchanged("phi2/DequantizeLinear", "phi3/DequantizeLinear", 0),
    ),
    FileMutant(
        "kernel-of-another-layer", "G30", "jet_deepsets", "phi3",
        reads("phi3/DequantizeLinear", 0, "phi2/kernel"),
    ),
    FileMutant(
        "previous-activation", "G32", "jet_deepsets", "phi3",
        reads("phi3/MatMul", 0, "q_activation"),
    ),
)  # fmt: skip

DEPLOYED: Final = (
    FileMutant(
        "flatten-before-matmul", "G02", "jet_mlp", "output softmax",
        weights_alone("fc2", 2**-5, Step("Flatten", (), {"axis": 1})),
        dialect="float", remark=_QUANTIZES, remarked="fc2",
    ),
    FileMutant(
        "weights-alone", "G03", "jet_mlp", "output softmax",
        weights_alone("fc2", 2**-5), dialect="float", remark=_QUANTIZES, remarked="fc2",
    ),
    FileMutant(
        "signed-weights", "G04", "jet_deepsets", "phi2", signed_weights("phi2"),
        verdict="PASSES", remark=_SATURATES, remarked="phi2",
    ),
    FileMutant(
        "signed-weights-and-activations", "G05", "jet_deepsets", "phi3",
        together(
            signed_weights("phi3"),
            recoded("q_activation_1", zero=np.int8(-128)),
            described("q_activation_1", "codes", "zero_point", -128),
        ),
        verdict="PASSES", remark=_SATURATES, remarked="phi3",
    ),
)  # fmt: skip

DENSE: Final = (*JET_MLP, *UNTOLD, *JET_DEEPSETS, *DEPLOYED)
