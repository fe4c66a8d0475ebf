"""A model and the ONNX file of it, with what is known of both."""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Final

import onnx

from qconvert.checking.deployed.layered_file import LayeredFile
from qconvert.checking.deployed.paths import fusions
from qconvert.checking.repair.computed import with_program
from qconvert.checking.repair.moves import Move, read_moves
from qconvert.exactness import Analysis, analyse
from qconvert.ir import Graph
from qconvert.runners.interface import InputDomain

_NOTHING: Final[Mapping[str, InputDomain]] = MappingProxyType({})


class Conversion:
    """What is held against each other, for inputs of the *domains*; ``exported`` is the model.

    All else is found when it is first asked for.
    """

    def __init__(
        self,
        graph: Graph,
        model: onnx.ModelProto,
        domains: Mapping[str, InputDomain] = _NOTHING,
    ) -> None:
        self.exported = graph
        self.file = LayeredFile(model)
        self._domains = domains

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """What a repair has moved in the file, as far as that tells."""
        return read_moves(self.file.model)

    @cached_property
    def graph(self) -> Graph:
        """The model as the file computes it, with the constants that a repair has moved."""
        return with_program(self.exported, self.moves)

    @cached_property
    def analysis(self) -> Analysis:
        """What every value of `graph` can be."""
        return analyse(self.graph, self._domains)

    @cached_property
    def fused(self) -> Mapping[str, str]:
        """By layer without a tensor in the file the one whose operators compute it."""
        return fusions(self.exported, self.file.layers)

    @cached_property
    def inside(self) -> frozenset[str]:
        """The values of these layers."""
        return frozenset(x.value for x in self.exported.layers if x.name in self.fused)
