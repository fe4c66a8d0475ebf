"""The meaning of every op in NumPy float32, written to be read.

It knows neither TensorFlow nor ONNX, nor the grids that `emit` relies on, so that each can
catch a mistake of the others.
"""

from qconvert.reference.any_order import is_faster
from qconvert.reference.evaluate import apply, evaluate, first_states
from qconvert.reference.freezing import freeze

__all__ = ["apply", "evaluate", "first_states", "freeze", "is_faster"]
