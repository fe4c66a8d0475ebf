"""The witnesses: programs that compute a model, each with every layer's result."""

from qconvert.runners.ort import OrtRunner
from qconvert.runners.reference import ReferenceRunner
from qconvert.runners.tf import Disagreement, TensorFlowModel, TensorFlowRunner
from qconvert.runners.traces import Trace

__all__ = [
    "Disagreement",
    "OrtRunner",
    "ReferenceRunner",
    "TensorFlowModel",
    "TensorFlowRunner",
    "Trace",
]
