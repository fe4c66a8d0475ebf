"""The real witnesses of a check."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx

from qconvert.checking.deployed.deployed_graph import DeployedGraph, Remark, inspect_deployed
from qconvert.checking.deployed.means import wrong_means
from qconvert.checking.deployed.recoded import rounded_codes
from qconvert.checking.deployed.redrawn import drawn_otherwise
from qconvert.checking.deployed.requantized import fusions
from qconvert.checking.deployed.stored import stored_weights
from qconvert.checking.repair.computed import with_program
from qconvert.checking.repair.moves import read_moves
from qconvert.checking.scans.alone import alone
from qconvert.checking.witness import Direct, Panel, Runner, Shared, Witness
from qconvert.emit.metadata import read_metadata
from qconvert.errors import WitnessError
from qconvert.exactness import analyse
from qconvert.ir import F32, Graph
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
) -> Panel:
    """All witnesses that are available, in the order in which their values are shown.

    *known* tells what stands where in a *model* that does not say it, *domains* what inputs can be.
    """
    runners: dict[Witness, Runner] = {}
    versions: dict[Witness, Mapping[str, str]] = {}
    unavailable: dict[Witness, str] = {}
    ort = OrtRunner(model)
    try:
        versions[Witness.ORT] = ort.versions
        if known is None:
            runners[Witness.ORT] = Direct(ort.run_layers)
            runners[Witness.DEPLOYED] = Direct(lambda *given: _deployed(ort, *given))
        else:
            foreign = ForeignRunner(model, known)
            runners[Witness.ORT] = Direct(foreign.run_layers)
            runners[Witness.DEPLOYED] = Direct(foreign.run_deployed)
    except WitnessError as error:
        unavailable |= dict.fromkeys((Witness.ORT, Witness.DEPLOYED), error.coded)
    deployed = _inspected(model, ort)
    found = wrong_means(graph, model, domains) + rounded_codes(graph, model, domains)
    deployed = replace(deployed, violations=deployed.violations + found)
    versions[Witness.NUMPY] = {"numpy": np.__version__}
    qkeras = shared = None
    if isinstance(tensorflow, str):
        unavailable[Witness.TENSORFLOW] = tensorflow
    else:
        try:
            # Asked last, because the answer comes when the model is loaded.
            versions[Witness.TENSORFLOW] = tensorflow.versions
            qkeras = tensorflow
            runners[Witness.TENSORFLOW] = shared = Shared(tensorflow)
        except WitnessError as error:
            unavailable[Witness.TENSORFLOW] = error.coded
    moves, metadata = read_moves(model), read_metadata(model)
    lender = None if shared is None else shared.finish
    computed = with_program(graph, moves)
    reference = ReferenceRunner(computed, lender, analyse(computed, domains))
    runners[Witness.NUMPY] = Direct(reference.run)
    ordered = {witness: runners[witness] for witness in Witness if witness in runners}
    stored = stored_weights(graph, model, domains)
    return Panel(
        ordered,
        qkeras,
        versions,
        unavailable,
        stored,
        ort.tensors,
        ort.coded,
        {} if metadata is None else fusions(graph, metadata.layers),
        deployed,
        qkeras,
        partial(alone, model) if known is None else None,
        moves,
        drawn_otherwise(graph, model, {move.layer for move in moves})
        if known is None
        else frozenset(),
    )


def _inspected(model: onnx.ModelProto, ort: OrtRunner) -> DeployedGraph:
    try:
        return inspect_deployed(model, ort.optimized())
    except WitnessError as error:
        unseen = Remark(f"the graph that runs cannot be inspected: {error}", frozenset())
        return DeployedGraph((unseen,))


def _deployed(ort: OrtRunner, inputs: Mapping[str, F32], forced: Mapping[str, F32]) -> Trace:
    """The outputs of the file as it is, and its layers where a tap does not change the program."""
    tapped = ort.run_tapped(inputs, forced)
    return tapped if forced else Trace(tapped.layers, ort.run_deployed(inputs).outputs)
