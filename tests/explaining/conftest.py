"""Small graphs with everything that an explanation of them needs."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import pytest

from qconvert.exactness import analyse
from qconvert.explaining import Run
from qconvert.ir import F32, Graph, Grid, Input, Layer, Node, Op, Output, Weight, infer_shape
from qconvert.reference import evaluate

Prepare: TypeAlias = Callable[..., Run]


@pytest.fixture
def prepare() -> Prepare:
    """A layer ``y`` that is a chain of ops on ``x``, run on one array."""

    def prepared(
        x: F32, *ops: Op, weights: Mapping[str, Weight] | None = None, domain: Grid | None = None
    ) -> Run:
        nodes, name, shape = [], "x", (None, *x.shape[1:])
        for number, op in enumerate(ops):
            before, name = name, "y" if number == len(ops) - 1 else f"y:{number}"
            shape = infer_shape(op, shape)
            nodes.append(Node(name, op, (before,), shape))
        layer = Layer("y", "QLayer", "y", weights or {})
        source = Input("x", (None, *x.shape[1:]))
        graph = Graph("g", (source,), tuple(nodes), (Output("y", "y"),), (layer,))
        analysis = analyse(graph, {"x": domain} if domain else None)
        return Run("m.h5", "0" * 64, graph, evaluate(graph, {"x": x}), analysis, "these")

    return prepared


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)
