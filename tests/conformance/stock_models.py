"""One small live model a case, and what its export and the reference make of the same inputs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import onnxruntime

from qconvert.checking.radius import Radius
from qconvert.checking.rounding import evaluate_bounded
from qconvert.emit import to_onnx
from qconvert.frontend import build_graph
from qconvert.frontend.live import model_file
from qconvert.ir import F32
from qconvert.reference import evaluate

#: A layer or model of TensorFlow, which has no types.
TensorFlow: TypeAlias = Any
#: From ``tf`` and the inputs of a model to its output.
Build: TypeAlias = Callable[..., TensorFlow]


class Case(NamedTuple):
    """What to build on inputs of these shapes, without the batch."""

    name: str
    build: Build
    shapes: tuple[tuple[int, ...], ...]


def integers(*shape: int, seed: int = 0, reach: int = 8) -> F32:
    return np.random.default_rng(seed).integers(-reach, reach + 1, shape).astype(np.float32)


def floats(*shape: int, seed: int = 0) -> F32:
    return np.random.default_rng(seed).normal(scale=3, size=shape).astype(np.float32)


def small(*shape: int, seed: int = 0) -> F32:
    return floats(*shape, seed=seed) / np.float32(3)


def build_model(tf: TensorFlow, case: Case, values: Callable[..., F32] = integers) -> TensorFlow:
    """The model of a case, with *values* for weights (variances are not negative)."""
    inputs = [tf.keras.Input(shape) for shape in case.shapes]
    model = tf.keras.Model(inputs, case.build(tf, *inputs))
    for i, weight in enumerate(model.weights):
        if weight.dtype == tf.float32:
            drawn = values(*weight.shape, seed=i + 1)
            weight.assign(abs(drawn) if "variance" in weight.name else drawn)
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return model


def truth(model: TensorFlow, xs: Sequence[F32]) -> F32:
    y: F32 = np.asarray(model(list(xs) if len(xs) > 1 else xs[0], training=False))
    return y


def reference(model: TensorFlow, xs: Sequence[F32]) -> F32:
    graph = build_graph(model_file(model))
    names = [source.name for source in graph.inputs]
    return evaluate(graph, dict(zip(names, xs, strict=True)))[graph.outputs[0].value]


def bounded(model: TensorFlow, xs: Sequence[F32]) -> tuple[F32, Radius]:
    """The reference's result, and how far others may be from it."""
    graph = build_graph(model_file(model))
    known = dict(zip([source.name for source in graph.inputs], xs, strict=True))
    return evaluate_bounded(list(graph.nodes), graph.outputs[0].value, known)


def deployed(
    model: TensorFlow, xs: Sequence[F32], dialect: str = "qdq", opset: int = 21
) -> tuple[F32, F32]:
    """ONNX Runtime's results with graph optimizations off and on."""
    exported = to_onnx(build_graph(model_file(model)), dialect=dialect, opset=opset)
    content = exported.SerializeToString()
    feeds = dict(zip([value.name for value in exported.graph.input], xs, strict=True))
    results = []
    for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_ALL"):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        results.append(session.run(None, feeds)[0])
    return results[0], results[1]
