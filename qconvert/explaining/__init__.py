"""Why one number in a layer's result is what it is: every term, exactly.

What is explained are the values of the NumPy reference; what other programs return for the same
element stands beside it. Nothing here knows of ONNX or TensorFlow.
"""

from qconvert.explaining.explain import Run, explain, layer_called
from qconvert.explaining.results import (
    Agreement,
    Applied,
    Arithmetic,
    Choice,
    Element,
    Explanation,
    Index,
    Loop,
    Operation,
    Raw,
    RawWeight,
    Reason,
    Rounded,
    Statement,
    Step,
    Sum,
    Taken,
    Term,
    Unknown,
    WeightElement,
)

__all__ = [
    "Agreement",
    "Applied",
    "Arithmetic",
    "Choice",
    "Element",
    "Explanation",
    "Index",
    "Loop",
    "Operation",
    "Raw",
    "RawWeight",
    "Reason",
    "Rounded",
    "Run",
    "Statement",
    "Step",
    "Sum",
    "Taken",
    "Term",
    "Unknown",
    "WeightElement",
    "explain",
    "layer_called",
]
