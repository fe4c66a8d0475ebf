"""The models of the test set, and the part of each that every correct program computes alike."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import qconvert
from qconvert.ir import Graph, Output

ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = ROOT / "tests" / "data"
MADE: Final = ROOT / "tests" / "targets" / "models"

#: The parts of a model that are files of their own.
WHOLE, EXACT = "whole", "exact"


@dataclass(frozen=True, slots=True)
class Case:
    """A model; behind the layer ``exact``, if there is one, float32 results may be rounded.

    ``shows`` are the operators for which it is in the set.
    """

    model: Path
    shows: str
    exact: str = ""
    weights: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that the model is made of."""
        return (self.model,) if self.weights is None else (self.model, self.weights)

    def parts(self) -> Mapping[str, Graph]:
        """The whole model, and what is in front of its float32 tail if it has one."""
        graph = qconvert.load(self.model, weights=self.weights)
        return {WHOLE: graph} | ({EXACT: cut(graph, self.exact)} if self.exact else {})


def cut(graph: Graph, name: str) -> Graph:
    """The model that ends with a layer; `StopIteration` if it has no such layer."""
    end = next(layer for layer in graph.layers if layer.name == name)
    wanted, nodes = {end.value}, []
    for node in reversed(graph.nodes):
        if node.name in wanted:
            nodes.append(node)
            wanted.update(node.inputs)
    return replace(
        graph,
        inputs=tuple(each for each in graph.inputs if each.name in wanted),
        nodes=tuple(reversed(nodes)),
        outputs=(Output(name, end.value),),
        layers=tuple(layer for layer in graph.layers if layer.value in wanted),
    )


CASES: Final[Mapping[str, Case]] = {
    "encoder": Case(
        DATA / "encoder.json",
        "strided convolution, Flatten, dense",
        weights=DATA / "encoder_weights.hdf5",
    ),
    "autoencoder": Case(
        DATA / "autoencoder.json",
        "float transposed convolutions, sigmoid",
        exact="encoder/encod_qa",
        weights=DATA / "autoencoder_weights.hdf5",
    ),
    "jet_mlp": Case(DATA / "jet_mlp.h5", "dense, softmax", exact="output"),
    "jet_deepsets": Case(
        DATA / "jet_deepsets.h5",
        "dense on three axes, 8-bit weights, mean, float dense, softmax",
        exact="q_activation_4",
    ),
    "mnist_cnn": Case(DATA / "mnist_cnn.keras", "convolution, max pooling", exact="qdense_1"),
    "pruned_cnn": Case(
        DATA / "pruned_cnn.h5",
        "folded batch normalization, dense with one that is not",
        exact="dense_act_0",
    ),
    "residual": Case(
        MADE / "residual.h5",
        "batch normalization behind convolutions of 8 and 4 bits, sums, global mean",
    ),
    "sums": Case(
        MADE / "sums.h5",
        "batch normalization behind ConvInteger and MatMulInteger, dense without bias",
    ),
    "windows": Case(
        MADE / "windows.h5",
        "strided, dilated and pointwise convolutions as one product of matrices",
    ),
    "depthwise": Case(
        MADE / "depthwise.h5",
        "depthwise, transposed and separable convolution, batch normalization, "
        "pools, Concatenate, UpSampling, 16-bit codes",
    ),
    "groups": Case(
        MADE / "groups.h5",
        "convolutions with groups and a depth multiplier, few depthwise channels, mean of four",
    ),
    "joins": Case(
        MADE / "joins.h5",
        "convolutions, codes and a mean, concatenated and padded in front of a quantizer",
    ),
    "series": Case(
        MADE / "series.h5", "one-dimensional convolution, batch normalization, LSTM, GRU"
    ),
    "quantizers": Case(
        MADE / "quantizers.h5",
        "tables, powers of two, binary, ternary, 10 to 16 bits, a slope, scale 0.3",
    ),
}
