"""The report of a check of a deep residual network, with every histogram, without the check."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from qconvert.checking.compare import PAIRS, Difference, Example
from qconvert.checking.distribution import error_map, of_effective, of_raw, tally_of
from qconvert.checking.grounds import Bound, Method, Proof
from qconvert.checking.results import (
    CheckedFile,
    Comparison,
    Environment,
    Finding,
    LayerResult,
    OutputResult,
    Report,
    Verdict,
    WeightResult,
    WitnessResult,
)
from qconvert.checking.witness import Witness
from qconvert.ir import Grid

#: Layers of a block: two convolutions, each with its quantizer, a sum with the block's input, and
#: the quantizer of the sum.
_BLOCK: Final = ("conv1", "act1", "conv2", "act2", "add", "out")
_WEIGHTS: Final = Grid(-128, 127, -7)
_RESULTS: Final = Grid(0, 255, -6)
_ELEMENTS: Final = 1 << 20


def large_report(count: int = 300, fault: int | None = None) -> Report:
    """The report of *count* layers, all of which differ from number *fault* on, if there is one.

    Every tenth layer is BOUNDED, the others are PROVEN.
    """
    layers = tuple(_layers(count, fault))
    weights = tuple(
        weight
        for i, layer in enumerate(layers)
        if layer.weight_bits
        for weight in _weights(i, layer)
    )
    last = layers[-1].finding
    versions = (("python", "3.11.7"), ("tensorflow", "2.21.0"))
    return Report(
        model=CheckedFile("resnet.keras", "0" * 64),
        onnx=CheckedFile("resnet.onnx", "1" * 64),
        inputs="256 samples chosen by the input domain, seed 0; image is an integer from 0 to 255",
        samples=256,
        layers=layers,
        weights=weights,
        outputs=(OutputResult("scores", replace(last, proof=None)),),
        ambiguous=(),
        witnesses=tuple(WitnessResult(witness, versions, None) for witness in Witness),
        environment=Environment("0.1.0", "3.11.7", "Linux x86_64"),
        inputs_sha256="2" * 64,
    )


def _layers(count: int, fault: int | None) -> Iterator[LayerResult]:
    names = [f"stage{i // 60 + 1}_block{i // 6 % 10 + 1}_{_BLOCK[i % 6]}" for i in range(count)]
    for i, name in enumerate(names):
        before = [i - 1] if i % 6 != 4 else [i - 1, max(i - 5, 0)]
        sources = tuple(names[source] for source in before if source >= 0)
        conv, wrong = i % 6 in (0, 2), fault is not None and i >= fault
        tally = tally_of(_RESULTS)
        rounded = np.rint(np.random.default_rng(i).gamma(1.2, 40.0, 20_000))
        tally.add((np.clip(rounded, 0, 255) * _RESULTS.step).astype(np.float32))
        yield LayerResult(
            name,
            "QConv2D" if conv else "Add" if i % 6 == 4 else "QActivation",
            8 if conv else None,
            None if conv else 8,
            _wrong(names[fault or 0], i == fault) if wrong else _right(i),
            kernels=("com.microsoft.QLinearConv",) if conv else (),
            sources=sources,
            results=tally.distribution(),
            errors=error_map(np.random.default_rng(i).poisson(0.01, (32, 32, 64)))
            if wrong
            else None,
        )


def _right(number: int) -> Finding:
    difference = Difference(_ELEMENTS)
    comparisons = tuple(Comparison(pair, difference, 0.0) for pair in PAIRS)
    if number % 10 == 9:
        bound = Bound(0.0156, 1.0, 378087, 17)
        return Finding(Verdict.BOUNDED, "", comparisons, doubt="17 of 378087 states", bound=bound)
    arguments = ("exact sums", "exact rounding")
    proof = Proof(Method.ALGEBRAIC, arguments, 16 + number % 8)
    return Finding(Verdict.PROVEN, "", comparisons, proof=proof)


def _wrong(origin: str, own: bool) -> Finding:
    values = ((Witness.TENSORFLOW, 0.25), (Witness.ORT, 0.5), (Witness.NUMPY, 0.25))
    example = Example((3, 1, 0, 7), values)
    found = Difference(_ELEMENTS, 655, 655, 0.25, 8388608, example)
    differing = {pair for pair in PAIRS if (Witness.NUMPY in pair) != (Witness.TENSORFLOW in pair)}
    comparisons = tuple(
        Comparison(pair, found if pair in differing else Difference(_ELEMENTS), 16.0)
        for pair in PAIRS
    )
    reason = "ONNX Runtime differs from TensorFlow and NumPy"
    if own:
        return Finding(Verdict.DIFFERS, reason, comparisons)
    return Finding(Verdict.DIFFERS, f"inherited from {origin}: {reason}", comparisons, (origin,))


def _weights(number: int, layer: LayerResult) -> Iterator[WeightResult]:
    random = np.random.default_rng(number)
    for role, size in (("kernel", 9216), ("bias", 64)):
        raw = random.normal(0, 0.35, size).astype(np.float32)
        codes = np.clip(np.rint(raw / _WEIGHTS.step), _WEIGHTS.lo, _WEIGHTS.hi)
        effective = (codes * _WEIGHTS.step).astype(np.float32)
        equal = Difference(size)
        yield WeightResult(
            layer.name,
            role,
            Verdict.PROVEN,
            equal,
            equal,
            of_raw(raw, _WEIGHTS),
            of_effective(effective, _WEIGHTS),
        )
