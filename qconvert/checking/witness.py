"""Who computes the model, and what `check` needs to know of a program that does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from qconvert.checking.deployed.deployed_graph import DeployedGraph
from qconvert.checking.repair.moves import Move
from qconvert.checking.scans.alone import Alone
from qconvert.ir import F32, Quantizer
from qconvert.runners.tf import Disagreement
from qconvert.runners.traces import NOTHING, Trace


class Witness(Enum):
    """A program whose results are compared with those of the others."""

    TENSORFLOW = "TensorFlow"
    ORT = "ONNX Runtime"
    NUMPY = "NumPy"
    DEPLOYED = "ONNX Runtime as deployed"

    #: Each is one object; that of `Enum` is a Python function, which merging calls very often.
    __hash__ = object.__hash__


class Runner(Protocol):
    """A witness at work. It fails with `WitnessError`, then or when it is asked again.

    `start` may return before the work is done, so that witnesses run side by side; every
    `start` is followed by one `finish`.
    """

    def start(self, inputs: Mapping[str, F32], forced: Mapping[str, F32] = NOTHING) -> None:
        """Begin to compute the model for a batch.

        What reads a layer that is *forced* computes with that result instead of the true one.
        """

    def finish(self) -> Trace:
        """Wait for the results of the batch that was started."""


@dataclass(slots=True)
class Direct:
    """A runner of a function that computes a batch at once, in this process."""

    run: Callable[[Mapping[str, F32], Mapping[str, F32]], Trace]
    inputs: Mapping[str, F32] = field(default_factory=dict)
    forced: Mapping[str, F32] = field(default_factory=dict)

    def start(self, inputs: Mapping[str, F32], forced: Mapping[str, F32] = NOTHING) -> None:
        """Keep the batch until its results are wanted."""
        self.inputs, self.forced = inputs, forced

    def finish(self) -> Trace:
        """Compute the batch."""
        return self.run(self.inputs, self.forced)


@dataclass(slots=True)
class Shared:
    """A runner whose results another witness needs too, in either order."""

    runner: Runner
    found: Trace | None = None

    def start(self, inputs: Mapping[str, F32], forced: Mapping[str, F32] = NOTHING) -> None:
        """Begin to compute the model for a batch."""
        self.found = None
        self.runner.start(inputs, forced)

    def finish(self) -> Trace:
        """Wait for the results, or give them again."""
        if self.found is None:
            self.found = self.runner.finish()
        return self.found


class QKeras(Protocol):
    """What TensorFlow's side tells besides results. It fails with `WitnessError`."""

    def effective_weights(self) -> Mapping[str, F32]:
        """The weights that QKeras computes with, by ``layer/role``."""

    def folded_weights(self) -> Mapping[str, F32]:
        """Those with a batch normalization in them before they are quantized."""

    def predict_differences(self, inputs: Mapping[str, F32]) -> Mapping[str, Disagreement]:
        """How far ``predict`` differs from ``model(x)``, by name of the output."""


class Quantizers(Protocol):
    """The quantizers that QKeras's layers end with. It fails with `WitnessError`."""

    def quantizer(self, layer: str) -> str:
        """The quantizer that a layer ends with: its class and all options."""

    def quantized(self, layer: str, x: F32, size: int | None = None) -> F32:
        """What that quantizer makes of numbers (n,), in one tensor or in several of *size*."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """The witnesses of one check: those at work, and why the others cannot be.

    ``stored`` has the weights that were found in the ONNX file, by layer and role; ``tensors``
    those of the layers whose results can be forced there, ``coded`` the layers of integer codes.
    By layer that the file has no results of, ``fused`` has the one whose operators compute it.
    ``deployed`` tells what the graph that runs does not share with the file. ``quantizers`` are
    those that layers end with, and ``alone`` finds their operators in the file; ``moves`` is what
    the file says of its constants, and ``otherwise`` are the layers for which it has other
    operators than an export.
    """

    runners: Mapping[Witness, Runner]
    qkeras: QKeras | None
    versions: Mapping[Witness, Mapping[str, str]]
    unavailable: Mapping[Witness, str]
    stored: Mapping[tuple[str, str], F32] = field(default_factory=dict)
    tensors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    coded: frozenset[str] = frozenset()
    fused: Mapping[str, str] = field(default_factory=dict)
    deployed: DeployedGraph = field(default_factory=DeployedGraph)
    quantizers: Quantizers | None = None
    alone: Callable[[str, Quantizer], Alone] | None = None
    moves: tuple[Move, ...] = ()
    otherwise: frozenset[str] = frozenset()

    @property
    def places(self) -> Mapping[str, tuple[str, ...]]:
        """``tensors``, and none for what is ``fused``: forced in the other witnesses alone."""
        return {**self.tensors, **dict.fromkeys(self.fused, ())}
