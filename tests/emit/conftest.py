"""Small graphs by hand, and both ways of ONNX Runtime to run them."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from unittest.mock import ANY

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

from qconvert.checking.deployed.deployed_graph import DeployedGraph, inspect_deployed
from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.ties import TOGETHER
from qconvert.emit import to_onnx
from qconvert.emit.metadata import read_metadata
from qconvert.ir import F32, Graph, Input, Layer, Node, Op, Output, infer_shape, validate
from qconvert.runners.ort_worker.prepared import prepared

Step: TypeAlias = tuple[str, Op, Sequence[str]]
Make: TypeAlias = Callable[..., Graph]


class Ran(NamedTuple):
    """The outputs with graph optimizations off and on, and the operators of the optimized graph."""

    plain: list[F32]
    deployed: list[F32]
    operators: list[str]


Run: TypeAlias = Callable[..., Ran]


@pytest.fixture
def make() -> Make:
    """A graph from input shapes (without batch) and steps, the last of which is the output."""

    def build(
        inputs: Mapping[str, tuple[int, ...]], steps: Sequence[Step], outputs: Sequence[str] = ()
    ) -> Graph:
        sources = tuple(Input(name, (None, *shape)) for name, shape in inputs.items())
        shapes = {source.name: source.shape for source in sources}
        nodes = []
        for name, op, read in steps:
            shapes[name] = infer_shape(op, *(shapes[each] for each in read))
            nodes.append(Node(name, op, tuple(read), shapes[name]))
        wanted = outputs or (steps[-1][0],)
        results = tuple(Output(name, name) for name in wanted)
        layers = tuple(Layer(name, "Layer", name) for name, _, _ in steps)
        graph = Graph("test", sources, tuple(nodes), results, layers)
        validate(graph)
        return graph

    return build


def session(model: onnx.ModelProto, level: Any, saved: Path | None = None) -> Any:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    if saved is not None:
        options.optimized_model_filepath = str(saved)
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)


def execute(model: onnx.ModelProto, *inputs: npt.NDArray[Any]) -> Ran:
    onnx.checker.check_model(model, full_check=True)
    feeds = dict(zip([value.name for value in model.graph.input], inputs, strict=True))
    levels = onnxruntime.GraphOptimizationLevel
    with tempfile.TemporaryDirectory() as folder:
        data = prepared(model.SerializeToString(), Path(folder))
        computed = onnx.ModelProto.FromString(data)
        plain = session(computed, levels.ORT_DISABLE_ALL).run(None, feeds)
        saved = Path(folder) / "optimized.onnx"
        deployed = session(model, levels.ORT_ENABLE_ALL, saved).run(None, feeds)
        made = onnx.load(saved)
    found = inspect_deployed(LayeredFile(model), made)
    assert found == DeployedGraph(conditions=ANY, early_biases=ANY, kernels=ANY)
    # Sums of codes are one on ARM; nothing is to need VNNI.
    assert all(remark.text.startswith("on ARM ") for remark in found.conditions)
    metadata = read_metadata(model)
    if metadata is not None:
        # What the file says that it needs is what the graph made of it shows, but for lines.
        stated = [text for text in metadata.requires.cpu if text.startswith("on ARM ")]
        lines = LayeredFile(model).lines.keys()
        left = [x for x in found.conditions if x.text != TOGETHER or not lines & x.layers]
        assert bool(stated) == bool(left)
    return Ran(plain, deployed, [node.op_type for node in made.graph.node])


@pytest.fixture
def run() -> Run:
    """Export a graph and run it, plain and deployed; the two must agree bit for bit."""

    def both(graph: Graph, *inputs: F32, dialect: str = "qdq", opset: int = 21) -> Ran:
        ran = execute(to_onnx(graph, dialect=dialect, opset=opset), *inputs)
        for plain, deployed in zip(ran.plain, ran.deployed, strict=True):
            np.testing.assert_array_equal(plain, deployed)
        return ran

    return both


@pytest.fixture
def codes() -> Callable[..., F32]:
    """Random multiples of ``2**exp``."""

    def draw(lo: int, hi: int, exp: int, *shape: int, seed: int = 0) -> F32:
        whole = np.random.default_rng(seed).integers(lo, hi, shape, endpoint=True)
        return np.ldexp(whole.astype(np.float32), exp).astype(np.float32)

    return draw
