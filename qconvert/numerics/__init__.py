"""QKeras's arithmetic in NumPy float32, operation by operation; one file a family."""

from qconvert.numerics.adaptive import adaptive_integer
from qconvert.numerics.eigen import reciprocal_sqrt
from qconvert.numerics.folding import Folded, fold_batch_normalization, inverse_deviation
from qconvert.numerics.freezing import Frozen, freeze_scale
from qconvert.numerics.quantize import quantize, quantize_body

__all__ = [
    "Folded",
    "Frozen",
    "adaptive_integer",
    "fold_batch_normalization",
    "freeze_scale",
    "inverse_deviation",
    "quantize",
    "quantize_body",
    "reciprocal_sqrt",
]
