"""Repairs and checks in which another runner takes TensorFlow's place."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx

from qconvert.checking import assemble, seeded
from qconvert.checking.examine import Subject, examine
from qconvert.checking.repair.repair import Repaired, repaired
from qconvert.checking.results import CheckedFile, Report
from qconvert.checking.witness import Direct, Panel, Runner, Witness
from qconvert.ir import Graph
from qconvert.runners.interface import InputDomain
from qconvert.runners.reference import ReferenceRunner
from tests.checking.stand_in import stand_in_for


def panel_of(graph: Graph, model: onnx.ModelProto, truth: Runner) -> Panel:
    panel = assemble(graph, model, "another takes its place")
    runners = {Witness.TENSORFLOW: truth, **panel.runners}
    return replace(panel, runners=runners, qkeras=stand_in_for(graph), unavailable={})


def repair(
    graph: Graph,
    model: onnx.ModelProto,
    truth: Graph | Runner,
    domains: Mapping[str, InputDomain] = {},
) -> Repaired:
    runner = Direct(ReferenceRunner(truth).run) if isinstance(truth, Graph) else truth
    shapes = {source.name: [n or 2 for n in source.shape] for source in graph.inputs}
    probe = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return repaired(graph, model, lambda m: panel_of(graph, m, runner), probe, domains)


def check(graph: Graph, model: onnx.ModelProto, truth: Graph) -> Report:
    panel = panel_of(graph, model, Direct(ReferenceRunner(truth).run))
    subject = Subject(graph, CheckedFile("model.h5", ""), CheckedFile(None, ""))
    return examine(subject, panel, seeded(graph, 9))
