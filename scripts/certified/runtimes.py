"""Many small layers in one ONNX file, run by several programs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from onnx.reference import ReferenceEvaluator

from qconvert.emit import to_onnx
from qconvert.ir import F32, Graph, Input, Output
from qconvert.runners.ort import OrtRunner
from scripts.certified.layer import Small

#: The results of each layer.
Results = Mapping[int, F32]


def onnx_runtime(
    layers: Sequence[Small], inputs: Mapping[int, Mapping[str, F32]]
) -> dict[str, Results]:
    """Results by seed, with graph optimizations off and on."""
    runner = OrtRunner(to_onnx(together(layers)))
    feeds = _feeds(inputs)
    return {
        "ONNX Runtime": _by_seed(layers, runner.run_layers(feeds).outputs),
        "ONNX Runtime, optimized": _by_seed(layers, runner.run_deployed(feeds).outputs),
    }


def evaluator(
    layers: Sequence[Small], inputs: Mapping[int, Mapping[str, F32]]
) -> dict[str, Results]:
    """Results by seed of ONNX's own evaluator, which is slow."""
    session = ReferenceEvaluator(to_onnx(together(layers)))
    values = session.run(None, _feeds(inputs))
    assert isinstance(values, list)
    outputs = dict(zip(session.output_names, values, strict=True))
    return {"ONNX evaluator": _by_seed(layers, outputs)}


def together(layers: Sequence[Small]) -> Graph:
    """One graph of all layers, whose names begin with their seeds."""
    graphs = [(f"{layer.seed}/", layer.graph) for layer in layers]
    return Graph(
        "layers",
        tuple(Input(p + x.name, x.shape) for p, g in graphs for x in g.inputs),
        tuple(
            replace(n, name=p + n.name, inputs=tuple(p + each for each in n.inputs))
            for p, g in graphs
            for n in g.nodes
        ),
        tuple(Output(p + o.name, p + o.value) for p, g in graphs for o in g.outputs),
        tuple(replace(x, name=p + x.name, value=p + x.value) for p, g in graphs for x in g.layers),
    )


def _feeds(inputs: Mapping[int, Mapping[str, F32]]) -> dict[str, F32]:
    return {f"{seed}/{name}": x for seed, each in inputs.items() for name, x in each.items()}


def _by_seed(layers: Sequence[Small], outputs: Mapping[str, F32]) -> Results:
    return {layer.seed: outputs[f"{layer.seed}/{layer.graph.outputs[0].name}"] for layer in layers}
