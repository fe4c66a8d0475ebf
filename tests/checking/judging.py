"""The one kernel of a file whose codes end at ``act``, held against a model."""

from collections.abc import Sequence

import onnx

from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.paths import paths_to
from qconvert.checking.deployed.requantized import Judged, judged
from qconvert.checking.deployed.rounding_kernel import RoundingKernel
from qconvert.exactness import analyse
from qconvert.ir import Graph


def kernel_in(model: onnx.ModelProto) -> RoundingKernel:
    """It, and no other."""
    (kernel,) = LayeredFile(model).kernels["act"]
    assert isinstance(kernel, RoundingKernel)
    return kernel


def judged_in(graph: Graph, kernel: RoundingKernel, inside: Sequence[str] = ()) -> Judged | None:
    """What is found of *kernel* in the place of what ends with ``act``."""
    paths = paths_to(graph, "act", inside)
    return judged(paths[0], analyse(graph), kernel) if len(paths) == 1 else None
