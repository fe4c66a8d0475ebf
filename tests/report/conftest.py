import dataclasses
import math
from dataclasses import replace

import pytest

from qconvert.checking.compare import UNORDERED, Difference, Example
from qconvert.checking.distribution import Distribution, ErrorMap, Histogram
from qconvert.checking.grounds import Bound, Method, Proof, State
from qconvert.checking.results import (
    AmbiguousResult,
    ByValue,
    CheckedFile,
    Comparison,
    Environment,
    Finding,
    LayerResult,
    OutputResult,
    Report,
    Reproducer,
    Verdict,
    WeightResult,
    WitnessResult,
)
from qconvert.checking.witness import Witness
from qconvert.ir import Grid

TF, ORT, NUMPY = Witness.TENSORFLOW, Witness.ORT, Witness.NUMPY
WITNESSES = tuple(WitnessResult(w, (("part", "1.2"),), None) for w in Witness)
CONDITION = "on x86 needs a CPU with \x1b[31m VNNI"
GRID = Grid(-8, 7, -2)
CODES = Distribution(Histogram(-8, -2, (3, *[0] * 14, 1)), 4, 0, GRID, 2, 3, 1)
RAW = Distribution(Histogram(-2, 0, (2, 1, 5)), 8, 1, GRID, outside=2)
ERRORS = ErrorMap((2, 3, 2), 2, 3, (0, 1, 0, 0, 0, 11), (12, 0))
ENVIRONMENT = Environment("0.1.0", "3.11", "Linux x86_64")


def finding(verdict: Verdict, reason: str, difference: Difference, step: float | None) -> Finding:
    steps = None if step is None else difference.largest / step
    equal = Comparison((TF, NUMPY), Difference(difference.elements), steps and 0.0)
    return Finding(verdict, reason, (Comparison((TF, ORT), difference, steps), equal))


@pytest.fixture
def passing() -> Report:
    """A convolution and its quantizer, on which all agree."""
    good = finding(Verdict.SAMPLED, "", Difference(1024), 0.25)
    conditional = dataclasses.replace(good, conditions=(CONDITION,))
    return Report(
        model=CheckedFile("m.h5", "0" * 64),
        onnx=CheckedFile("m.onnx", "1" * 64),
        inputs="64 samples chosen by the input domain, seed 0",
        samples=64,
        layers=(
            LayerResult("conv", "QConv2D", 4, None, conditional, kernels=("QLinearConv",)),
            LayerResult(
                "act",
                "QActivation",
                None,
                8,
                good,
                notes=("of \x1b[31m note",),
                sources=("conv",),
                results=CODES,
            ),
        ),
        weights=(
            WeightResult(
                "conv", "kernel", Verdict.PROVEN, Difference(36), Difference(36), RAW, CODES
            ),
        ),
        outputs=(OutputResult("y", conditional),),
        ambiguous=(),
        witnesses=WITNESSES,
        environment=ENVIRONMENT,
    )


@pytest.fixture
def bounded(passing: Report) -> Report:
    """A layer of which codes are proven, and one that is bounded by one step in a few states."""
    conv, act = passing.layers
    argument, assumed = "no state is next to a boundary", "no dust"
    proof = Proof(Method.CODES, (argument,), 12, (assumed,), states=4096, numbers=77)
    bound = Bound(0.25, 1.0, 4096, 3, State(7, (("conv", -0.5),)))
    proven = replace(conv.finding, verdict=Verdict.PROVEN, proof=proof)
    known = replace(act.finding, verdict=Verdict.BOUNDED, doubt="3 states", bound=bound)
    layers = (replace(conv, finding=proven), replace(act, finding=known))
    return replace(passing, layers=layers, required=Verdict.PROVEN, seconds=(("samples", 1.23456),))


@pytest.fixture
def by_value(passing: Report) -> Report:
    """Of a file in which the convolution was not found."""
    conv, act = passing.layers
    unseen = replace(conv, finding=Finding(Verdict.UNCHECKED, "no tensor has its values", ()))
    inputs, outputs = (("x", "the tensor 'in\x1b[31m'"),), (("y", "the tensor 'r'"),)
    found = ByValue(inputs, outputs, (("act", "t"),))
    return replace(passing, layers=(unseen, act), by_value=found)


@pytest.fixture
def ignoring(passing: Report) -> Report:
    """A layer that differs, with its weight, and does not count; another that need not."""
    conv, act = passing.layers
    wrong = finding(Verdict.DIFFERS, "ONNX Runtime differs", Difference(1024, 12, 12, 0.25), 0.25)
    kernel = replace(passing.weights[0], verdict=Verdict.DIFFERS)
    return replace(
        passing,
        layers=(replace(conv, finding=wrong), act),
        weights=(kernel,),
        ignored=(("conv", "issue \x1b[31m 12"), ("act", "an old one")),
    )


@pytest.fixture
def failing() -> Report:
    """Differences of every kind, and names that try to get at the terminal."""
    example = Example((3, 1, 0), ((TF, 0.1), (ORT, 0.25), (NUMPY, math.nan)))
    wrong = Difference(1024, 12, 12, 0.25, 4096, example)
    shapes = Example((0,), (), ((TF, (1, 2)), (ORT, (1, 3))))
    lost = Difference(6, 6, 6, math.inf, UNORDERED, shapes)
    own = finding(Verdict.DIFFERS, "ONNX Runtime differs from TensorFlow and NumPy", wrong, 0.25)
    later = Finding(Verdict.DIFFERS, "inherited from act", own.comparisons, ("act",))
    shape = finding(Verdict.DIFFERS, "ONNX Runtime differs from TensorFlow", lost, None)
    return Report(
        model=CheckedFile("m.h5", "0" * 64),
        onnx=CheckedFile(None, "1" * 64),
        inputs="8 samples of x.npy",
        samples=8,
        layers=(
            LayerResult(
                "conv", "QConv2D", 4, None, Finding(Verdict.UNCHECKED, "no counterpart", ())
            ),
            LayerResult("act", "QActivation", None, 8, own, errors=ERRORS),
            LayerResult("[/bold]\x1b[31m\u202eevil\nname", "Softmax", None, None, later),
        ),
        weights=(
            WeightResult("act", "kernel", Verdict.DIFFERS, Difference(4, 1, 1, 0.5, 7, example)),
            WeightResult("act", "bias", Verdict.UNCHECKED, Difference()),
            WeightResult(
                "conv", "kernel", Verdict.DIFFERS, Difference(36), Difference(36, 2, 2, 0.5, 9)
            ),
        ),
        outputs=(OutputResult("y", shape),),
        ambiguous=(AmbiguousResult("y", 100, 3, 1e-7),),
        witnesses=(*WITNESSES[1:], WitnessResult(TF, (), "the worker\nwas killed by signal 9")),
        environment=ENVIRONMENT,
        reproducer=Reproducer("shown\x1b", "act by itself"),
    )
