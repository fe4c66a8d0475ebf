"""The table of runtimes that the test set is run in, and what is known of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scripts.targeted.judging import Outcome, Tried
from scripts.targeted.runners import Install, aarch64, chromium, node, python


@dataclass(frozen=True, slots=True)
class Known:
    """Files that a target is known to compute otherwise, and why.

    Without *cases*, *dialects* or *modes* all are meant. A target that cannot run them is known
    to say *error*; without it, to run them.
    """

    cause: str
    cases: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    error: str = ""

    def covers(self, outcome: Outcome) -> bool:
        """Whether an outcome is that of such a file."""
        file = outcome.file
        given = ((self.cases, file.case), (self.dialects, file.dialect), (self.modes, outcome.mode))
        named = all(not names or name in names for names, name in given)
        failed = outcome.difference is None
        return named and failed == bool(self.error) and self.error in outcome.error


@dataclass(frozen=True, slots=True)
class Target:
    """A runtime on a processor, with the options of its sessions.

    All of its answers have to be TensorFlow's numbers, but for those that are ``known``. What it
    runs are files of one ``opset``, if it is said so with ``packed`` weights.
    """

    title: str
    install: Install
    modes: tuple[str, ...] = ("plain", "deployed")
    options: str = ""
    opset: int = 21
    packed: bool = False
    known: tuple[Known, ...] = ()

    def cause(self, outcome: Outcome) -> Known | None:
        """Why an answer is not TensorFlow's, if that is known."""
        return next((known for known in self.known if known.covers(outcome)), None)


def unexplained(found: Tried, target: Target) -> list[Outcome]:
    """The answers that are not TensorFlow's numbers, and of which nobody has said why."""
    return [each for each in found.outcomes if not each.right and target.cause(each) is None]


_NEWEST: Final = ("onnxruntime", "onnxruntime", "onnxruntime")
#: So old wheels know nothing of NumPy 2.
_OLD_NUMPY: Final = "numpy<2"
_TIES: Final = Known(
    "`QLinearAdd` of ONNX Runtime on ARM computes in fixed point and rounds ties away from zero, "
    "not to even: a sum of two branches in front of a quantizer with a coarser step than theirs",
    cases=("residual",),
    dialects=("qdq",),
    modes=("deployed",),
)
_APPROXIMATE: Final = Known(
    "without the option OpenVINO computes in bfloat16 on processors that have it, and quantizes "
    "the activations of dense layers to bytes of its own",
    modes=("deployed",),
)
_UNROUNDED: Final = Known(
    "OpenVINO makes one kernel of convolution, quantizer, sum and quantizer, and does not round at "
    "the first of these quantizers",
    cases=("residual",),
    dialects=("qdq",),
)
_WRONG_AXIS: Final = Known(
    "OpenVINO takes the scales of a kernel's channels in `QLinearConv` for those of what comes in: "
    "it fails, or computes something else where both are equally many",
    cases=("residual", "groups", "joins"),
    dialects=("qdq",),
    error="dequantization scale elements",
)
_NEXT_TO_TIES: Final = Known(
    "OpenVINO adds the zero point of signed codes, 128, before it rounds, and so loses what lies "
    "next to a tie: 14.500001 becomes 14; on a grid no number does",
    cases=("series", "windows"),
    dialects=("qdq",),
)

#: With weights of 4 bits and of 2.
_PACKED_25: Final = "`--packed-weights --opset 25`"
_ACCURATE: Final = "in mode accurate `EXECUTION_MODE_HINT = ACCURACY`"

TARGETS: Final[Mapping[str, Target]] = {
    "x86": Target("ONNX Runtime, newest, x86-64 as it is here", python(*_NEWEST)),
    "avx2": Target(
        "ONNX Runtime, newest, x86-64 with AVX2 alone (valgrind)",
        python(*_NEWEST, emulator=("valgrind", "--tool=none", "-q")),
    ),
    "oldest": Target(
        "ONNX Runtime 1.18.0, x86-64",
        python("onnxruntime-1.18", "onnxruntime", "onnxruntime==1.18.0", _OLD_NUMPY),
    ),
    "opset18": Target(
        "ONNX Runtime 1.15.0, x86-64, `--opset 18`",
        python("onnxruntime-1.15", "onnxruntime", "onnxruntime==1.15.0", _OLD_NUMPY),
        opset=18,
    ),
    "packed-oldest": Target(
        "ONNX Runtime 1.23.2, x86-64, `--packed-weights`",
        python("onnxruntime-1.23", "onnxruntime", "onnxruntime==1.23.2"),
        packed=True,
    ),
    "packed": Target(
        f"ONNX Runtime, newest, x86-64, {_PACKED_25}", python(*_NEWEST), opset=25, packed=True
    ),
    "packed-node": Target(
        f"onnxruntime-node, newest, {_PACKED_25}",
        node("onnxruntime-node"),
        opset=25,
        packed=True,
    ),
    "packed-wasm": Target(
        f"onnxruntime-web, newest, WebAssembly in Node, {_PACKED_25}",
        node("onnxruntime-web"),
        options="`wasm`",
        opset=25,
        packed=True,
    ),
    "aarch64": Target(
        "ONNX Runtime, newest, aarch64 Cortex-A53 (qemu)", aarch64("cortex-a53"), known=(_TIES,)
    ),
    "aarch64-dot": Target(
        "ONNX Runtime, newest, aarch64 with dot and matrix products (qemu `max`)",
        aarch64("max"),
        known=(_TIES,),
    ),
    "node": Target("onnxruntime-node, newest", node("onnxruntime-node")),
    "wasm": Target(
        "onnxruntime-web, newest, WebAssembly in Node", node("onnxruntime-web"), options="`wasm`"
    ),
    "chromium": Target(
        "onnxruntime-web, newest, WebAssembly in Chromium",
        chromium(1),
        options="`wasm`, `numThreads = 1`",
    ),
    "chromium-threads": Target(
        "onnxruntime-web, newest, WebAssembly in Chromium, two threads",
        chromium(2),
        options="`wasm`, `numThreads = 2`; the page is cross-origin isolated",
    ),
    "openvino": Target(
        "OpenVINO, newest, CPU",
        python("openvino", "openvino", "openvino"),
        modes=("deployed", "accurate"),
        options=_ACCURATE,
        known=(_APPROXIMATE, _UNROUNDED, _WRONG_AXIS, _NEXT_TO_TIES),
    ),
    "openvino-opset20": Target(
        "OpenVINO, newest, CPU, `--opset 20`",
        python("openvino", "openvino", "openvino"),
        modes=("deployed", "accurate"),
        options=_ACCURATE,
        opset=20,
        known=(_APPROXIMATE, _UNROUNDED, _WRONG_AXIS, _NEXT_TO_TIES),
    ),
    "reference": Target(
        "ONNX's ReferenceEvaluator, newest",
        python("onnx", "reference", "onnx"),
        modes=("plain",),
    ),
}
