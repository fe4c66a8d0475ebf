"""How large a graph and its values are, before anything is computed with it."""

import math
from pathlib import Path
from typing import Final

from qconvert.errors import LimitError
from qconvert.frontend.topology import ModelSpec
from qconvert.ir import Graph
from qconvert.modelfile import Limits

_BYTES = 4
#: NumPy repeats no array of more than 32, and some layers add axes on the way.
_MOST_AXES: Final = 16


def require_bounded(graph: Graph, path: Path, limits: Limits) -> None:
    """`LimitError` for a value of too many axes, or bytes for one sample, all lengths known.

    *path* is that of the model.
    """
    shapes = {value.name: value.shape for value in graph.inputs}
    shapes |= {node.name: node.shape for node in graph.nodes}
    for name, shape in shapes.items():
        if len(shape) > _MOST_AXES:
            found = f"a tensor of {len(shape)} axes"
            raise LimitError(
                "QC320", f"{path}: {name}: {found}, at most {_MOST_AXES} are supported"
            )
        if math.prod(n for n in shape if n is not None) * _BYTES > limits.tensor_bytes:
            found = f"a tensor of {shape}: {limits.of('tensor_bytes')}"
            raise LimitError("QC320", f"{path}: {name}: {found}")


def with_few_calls(model: ModelSpec, path: Path, limits: Limits) -> ModelSpec:
    """*model*; `LimitError` for more calls than there may be layers, where *path* is the model's.

    Models in models that are called twice each make a graph that no file shows the size of.
    """
    calls = _calls(model)
    if calls > limits.layers:
        raise LimitError("QC324", f"{path}: {calls:,} calls of layers: {limits.of('layers')}")
    return model


def _calls(model: ModelSpec) -> int:
    return sum(
        max(1, len(layer.calls)) * (1 if layer.model is None else _calls(layer.model))
        for layer in model.layers
    )
