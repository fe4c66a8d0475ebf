"""The narrow waist: what a model computes, as frozen data, without saying how.

Nothing here evaluates, parses or emits. Meanings live in ``numerics``, ``reference``,
``emit`` and ``exactness``; each is a ``match`` over the closed unions `Op` and `Quantizer`.
"""

from qconvert.ir.graph import Folding, Graph, Input, Layer, Node, Output, Weight, validate
from qconvert.ir.grids import Grid, Quotients, grid_of
from qconvert.ir.ops import Op
from qconvert.ir.quantizers import Quantizer
from qconvert.ir.shapes import Shape, infer_shape
from qconvert.ir.types import F32

__all__ = [
    "F32",
    "Folding",
    "Graph",
    "Grid",
    "Input",
    "Layer",
    "Node",
    "Op",
    "Output",
    "Quantizer",
    "Quotients",
    "Shape",
    "Weight",
    "grid_of",
    "infer_shape",
    "validate",
]
