"""QKeras's arithmetic in NumPy float32, operation by operation; one file a family."""

from qconvert.numerics.eigen import reciprocal_sqrt
from qconvert.numerics.folding import Folded, fold_batch_normalization
from qconvert.numerics.quantize import quantize, quantize_inside

__all__ = [
    "Folded",
    "fold_batch_normalization",
    "quantize",
    "quantize_inside",
    "reciprocal_sqrt",
]
