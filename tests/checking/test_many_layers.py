"""The time of a check grows as the layers do: nothing walks through all of them for each."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar, TypeVar

from qconvert.checking import CheckedFile, Subject, assemble, examine, seeded
from qconvert.checking.witness import Direct, Witness
from qconvert.emit import to_onnx
from qconvert.ir import Graph, Input, Layer, Node, Output
from qconvert.ir.ops import Quantize, Relu
from qconvert.ir.quantizers import QuantizedRelu
from qconvert.report.formats import rendered
from qconvert.runners.reference import ReferenceRunner
from tests.checking.stand_in import stand_in_for

T = TypeVar("T")


class Walked(tuple[T, ...]):
    """Nodes or layers that count how often somebody begins to go through them."""

    walks: ClassVar = 0

    def __iter__(self) -> Iterator[T]:
        Walked.walks += 1
        return super().__iter__()

    def __reversed__(self) -> Iterator[T]:
        Walked.walks += 1
        return reversed(self[:])


def chain(count: int) -> Graph:
    """Quantizers and activations in turn."""
    names = ["x", *(f"a{i}" for i in range(count))]
    ops = (Quantize(QuantizedRelu(4)), Relu())
    nodes = [
        Node(name, ops[i % 2], (source,), (None, 3))
        for i, (source, name) in enumerate(pairwise(names))
    ]
    layers = Walked(Layer(node.name, "Activation", node.name) for node in nodes)
    inputs = (Input("x", (None, 3)),)
    return Graph("chain", inputs, Walked(nodes), (Output("y", names[-1]),), layers)


def walks(count: int) -> int:
    """How often a check of so many layers goes through the nodes, and through the layers."""
    graph = chain(count)
    Walked.walks = 0
    panel = assemble(graph, to_onnx(graph), "another takes its place")
    runners = {Witness.TENSORFLOW: Direct(ReferenceRunner(graph).run), **panel.runners}
    told = replace(panel, runners=runners, qkeras=stand_in_for(graph), unavailable={})
    report = examine(
        Subject(graph, CheckedFile("m", ""), CheckedFile(None, "")), told, seeded(graph, 17)
    )
    assert report.passed and len(report.layers) == count
    rendered(report)
    return Walked.walks


def test_nodes_and_layers_are_gone_through_as_often_if_there_are_more() -> None:
    walks(4)  # what is kept for the process
    assert walks(40) == walks(20) > 0
