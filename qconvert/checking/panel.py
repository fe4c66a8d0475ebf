"""The real witnesses of a check."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx

from qconvert.checking.deployed.conversion import Conversion
from qconvert.checking.deployed.deployed_graph import DeployedGraph, Remark, inspect_deployed
from qconvert.checking.deployed.lined import conditions_left
from qconvert.checking.deployed.means import wrong_means
from qconvert.checking.deployed.recoded import rounded_codes
from qconvert.checking.deployed.redrawn import drawn_otherwise
from qconvert.checking.deployed.stored import stored_weights
from qconvert.checking.scans.alone import alone
from qconvert.checking.witness import Direct, Panel, Runner, Shared, Witness
from qconvert.errors import WitnessError
from qconvert.ir import F32, Graph
from qconvert.modelfile import DEFAULT_LIMITS, Limits
from qconvert.runners.foreign import Correspondence, ForeignRunner
from qconvert.runners.interface import InputDomain
from qconvert.runners.ort import OrtRunner
from qconvert.runners.reference import ReferenceRunner
from qconvert.runners.tf import TensorFlowRunner
from qconvert.runners.traces import Trace


@contextmanager
def tensorflow_started(
    model: Path, weights: Path | None = None, python: Path | None = None
) -> Iterator[TensorFlowRunner | str]:
    """TensorFlow, loading the model in its process; or why it cannot."""
    with ExitStack() as stack:
        found: TensorFlowRunner | str
        try:
            found = stack.enter_context(TensorFlowRunner(model, weights, python=python))
        except WitnessError as error:
            found = error.coded
        yield found


def assemble(
    graph: Graph,
    model: onnx.ModelProto,
    tensorflow: TensorFlowRunner | str,
    known: Correspondence | None = None,
    domains: Mapping[str, InputDomain] = MappingProxyType({}),
    limits: Limits = DEFAULT_LIMITS,
) -> Panel:
    """All witnesses that are available, in the order in which their values are shown.

    *known* tells what stands where in a *model* that does not say it, *domains* what inputs can be,
    *limits* how large a result of ONNX Runtime.
    """
    conversion, found = Conversion(graph, model, domains), _Witnesses()
    ort = OrtRunner(model, limits)
    foreign = None if known is None else partial(ForeignRunner, model, known, limits)
    _ask_onnx_runtime(found, ort, foreign)
    deployed = _inspected(conversion, ort)
    stored = stored_weights(conversion)
    otherwise = drawn_otherwise(conversion) if known is None else frozenset[str]()
    # Asked last, because the answer comes when the model is loaded.
    qkeras = _ask_tensorflow(found, tensorflow)
    _ask_numpy(found, conversion)
    return Panel(
        {witness: found.runners[witness] for witness in Witness if witness in found.runners},
        qkeras,
        found.versions,
        found.unavailable,
        stored,
        ort.tensors,
        ort.coded,
        conversion.fused,
        deployed,
        qkeras,
        partial(alone, model, limits=limits) if known is None else None,
        conversion.moves,
        otherwise,
    )


@dataclass(slots=True, eq=False)
class _Witnesses:
    """Those at work, and why the others cannot be."""

    runners: dict[Witness, Runner] = field(default_factory=dict)
    versions: dict[Witness, Mapping[str, str]] = field(default_factory=dict)
    unavailable: dict[Witness, str] = field(default_factory=dict)

    @contextmanager
    def asking(self, *witnesses: Witness) -> Iterator[None]:
        """They are unavailable if that fails."""
        try:
            yield
        except WitnessError as error:
            self.unavailable |= dict.fromkeys(witnesses, error.coded)


def _ask_onnx_runtime(
    found: _Witnesses, ort: OrtRunner, foreign: Callable[[], ForeignRunner] | None
) -> None:
    with found.asking(Witness.ORT, Witness.DEPLOYED):
        found.versions[Witness.ORT] = ort.versions
        if foreign is None:
            found.runners[Witness.ORT] = Direct(ort.run_layers)
            found.runners[Witness.DEPLOYED] = Direct(lambda *given: _deployed(ort, *given))
        else:
            runner = foreign()
            found.runners[Witness.ORT] = Direct(runner.run_layers)
            found.runners[Witness.DEPLOYED] = Direct(runner.run_deployed)


def _ask_tensorflow(
    found: _Witnesses, tensorflow: TensorFlowRunner | str
) -> TensorFlowRunner | None:
    if isinstance(tensorflow, str):
        found.unavailable[Witness.TENSORFLOW] = tensorflow
        return None
    with found.asking(Witness.TENSORFLOW):
        found.versions[Witness.TENSORFLOW] = tensorflow.versions
        found.runners[Witness.TENSORFLOW] = Shared(tensorflow)
        return tensorflow
    return None


def _ask_numpy(found: _Witnesses, conversion: Conversion) -> None:
    tensorflow = found.runners.get(Witness.TENSORFLOW)
    lender = None if tensorflow is None else tensorflow.finish
    reference = ReferenceRunner(conversion.graph, lender, conversion.analysis)
    found.versions[Witness.NUMPY] = {"numpy": np.__version__}
    found.runners[Witness.NUMPY] = Direct(reference.run)


def _inspected(conversion: Conversion, ort: OrtRunner) -> DeployedGraph:
    try:
        found = inspect_deployed(conversion.file, ort.optimized())
    except WitnessError as error:
        unseen = Remark(f"the graph that runs cannot be inspected: {error}", frozenset())
        found = DeployedGraph((unseen,))
    rounding = wrong_means(conversion) + rounded_codes(conversion)
    return replace(
        found,
        violations=found.violations + rounding,
        conditions=conditions_left(conversion, found.conditions),
    )


def _deployed(ort: OrtRunner, inputs: Mapping[str, F32], forced: Mapping[str, F32]) -> Trace:
    """The outputs of the file as it is, and its layers where a tap does not change the program."""
    tapped = ort.run_tapped(inputs, forced)
    return tapped if forced else Trace(tapped.layers, ort.run_deployed(inputs).outputs)
