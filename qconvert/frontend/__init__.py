"""Keras's configurations and weights to the graph of what is computed."""

from qconvert.frontend.declared import declared_inputs
from qconvert.frontend.graph import build_graph

__all__ = ["build_graph", "declared_inputs"]
