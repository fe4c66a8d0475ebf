"""Certified layers against all programs: every value equal to the exact one, within its reach."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np

from qconvert.exactness import Analysis, Argument, Certificate, Doubt, Reach, analyse
from qconvert.exactness.certificate import BIAS_LAST
from qconvert.ir import F32, Graph, Node
from qconvert.ir.ops import Pool, Quantize, Recurrence
from qconvert.reference import first_states
from scripts.certified import kernels, orders, runtimes
from scripts.certified.chances import LARGEST
from scripts.certified.drawing import random_layer
from scripts.certified.exact import exact
from scripts.certified.inputs import inputs_of
from scripts.certified.layer import MAIN, Small
from tests.exactness.samples import inside

#: ONNX's evaluator is slow: it runs one layer of so many.
_SHARE: Final = 25

#: What was found of a layer's values: exact by name.
Values: TypeAlias = dict[str, F32]


@dataclass(eq=False)
class Tally:
    """What was counted; tallies of parts add up to that of the whole."""

    certified: Counter[tuple[str, str]] = field(default_factory=Counter)
    bits: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    evaluations: Counter[str] = field(default_factory=Counter)
    counterexamples: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Count what *other* has counted, too."""
        for name in ("certified", "bits", "refused", "evaluations"):
            getattr(self, name).update(getattr(other, name))
        self.counterexamples += other.counterexamples


def examined(seeds: Sequence[int], *, with_tensorflow: bool) -> Tally:
    """Draw the layers of *seeds* and try those that are certified."""
    tally = Tally()
    known: dict[int, tuple[Small, Values]] = {}
    for seed in seeds:
        layer = random_layer(seed)
        analysis = analyse(layer.graph, layer.domains)
        if _counted(tally, layer, analysis):
            trial = _Trial(tally, layer, analysis, with_tensorflow)
            known[seed] = layer, trial.values()
    _run(tally, known)
    return tally


def _counted(tally: Tally, layer: Small, analysis: Analysis) -> bool:
    """Whether all ops are certified; by which argument the main one is, or why one is not."""
    for found in analysis.certificates.values():
        if isinstance(found, Doubt):
            reason = re.sub(r"up to \d+ steps(, \d+ bits of 24)?", "too many steps", found.reason)
            tally.refused[layer.kind, reason] += 1
            return False
    main = analysis.certificates[MAIN]
    assert isinstance(main, Certificate)
    tally.certified[layer.kind, main.argument.value] += 1
    if main.argument is Argument.EXACT and main.bits is not None:
        tally.bits["2**24" if main.magnitude == LARGEST else f"{main.bits:2} bits"] += 1
    return True


@dataclass(frozen=True, eq=False)
class _Trial:
    """One layer, value after value."""

    tally: Tally
    layer: Small
    analysis: Analysis
    with_tensorflow: bool

    def values(self) -> Values:
        """All exact values, after every program was compared with them."""
        random = np.random.default_rng((self.layer.seed, 1))
        inputs = inputs_of(random, self.layer)
        values = self._followed(random, self.layer.graph, inputs)
        for name, value in values.items():
            reach = self.analysis.values.get(name)
            if isinstance(reach, Reach) and not inside(value, reach):
                self._against(f"{name} is not within {reach}")
        return values

    def _followed(self, random: np.random.Generator, graph: Graph, inputs: Values) -> Values:
        values = dict(inputs)
        for node in graph.nodes:
            read = [values[name] for name in node.inputs]
            if isinstance(node.op, Recurrence):
                values[node.name] = self._steps(random, node.op, read)
            else:
                values[node.name] = self._compared(random, node, read)
        return values

    def _steps(self, random: np.random.Generator, op: Recurrence, read: list[F32]) -> F32:
        """The states after every step; each op of each step is compared."""
        (sequence,) = read
        names = [source.name for source in op.body.inputs]
        states = first_states(op, (), len(sequence))
        after = []
        for time in range(sequence.shape[1])[:: -1 if op.reverse else 1]:
            fed = dict(zip(names, [sequence[:, time], *states], strict=True))
            values = self._followed(random, op.body, fed)
            states = [values[output.value] for output in op.body.outputs]
            after.append(np.concatenate(states, axis=-1))
        return np.stack(after, axis=1)

    def _compared(self, random: np.random.Generator, node: Node, read: list[F32]) -> F32:
        certificate = self.analysis.certificates.get(node.name)
        expected, held = exact(node.op, read)
        bias_last = self._assumes(BIAS_LAST)
        stated = isinstance(certificate, Certificate) and certificate.argument is Argument.EXACT
        if stated and not bias_last and not held.all():
            self._against(f"{node.name}: float32 does not hold the exact result")
        programs = orders.evaluations(random, node.op, read, bias_last=bias_last)
        for program, found in programs:
            self._check(node, program, read, expected, found)
        if self.with_tensorflow:
            result = kernels.evaluated(node.op, read)
            if result is not None:
                program = "QKeras" if isinstance(node.op, Quantize) else "TensorFlow"
                self._check(node, program, read, expected, result)
        return expected

    def _check(self, node: Node, program: str, read: list[F32], expected: F32, found: F32) -> None:
        self.tally.evaluations[program] += expected.size
        if not np.array_equal(expected, found):
            self._against(described(f"{node.name}, {program}", read, expected, found))

    def _assumes(self, assumption: str) -> bool:
        """Whether a certificate of the layer does, which may be one of several ops in a loop."""
        known = self.analysis.certificates.values()
        return any(assumption in c.assumptions for c in known if isinstance(c, Certificate))

    def _against(self, what: str) -> None:
        self.tally.counterexamples.append(counterexample(self.layer, what, self.analysis))


def _run(tally: Tally, known: Mapping[int, tuple[Small, Values]]) -> None:
    """Compare the results in the runtimes with the exact ones."""
    layers = [layer for layer, _ in known.values()]
    share = [layer for layer in layers if layer.seed % _SHARE == 0 and _can_be_evaluated(layer)]
    for chosen, run in ((layers, runtimes.onnx_runtime), (share, runtimes.evaluator)):
        if not chosen:
            continue
        inputs = {
            x.seed: {source.name: known[x.seed][1][source.name] for source in x.graph.inputs}
            for x in chosen
        }
        for runtime, results in run(chosen, inputs).items():
            for layer in chosen:
                expected = known[layer.seed][1][layer.graph.outputs[0].value]
                found = results[layer.seed]
                tally.evaluations[runtime] += expected.size
                if not np.array_equal(expected, found):
                    what = described(runtime, list(inputs[layer.seed].values()), expected, found)
                    tally.counterexamples.append(counterexample(layer, what, None))


def _can_be_evaluated(layer: Small) -> bool:
    """ONNX 1.23's evaluator loses a row of padded maxima, and lacks more.

    It has no loops over later axes, and what it quantizes wraps beyond 2**31 steps.
    """
    ops = [node.op for node in layer.graph.nodes]
    padded = any(isinstance(op, Pool) and any(map(any, op.padding)) for op in ops)
    return not padded and not any(isinstance(op, Recurrence | Quantize) for op in ops)


def described(program: str, read: Sequence[F32], expected: F32, found: F32) -> str:
    """The first difference, and the sample that it was found for."""
    if expected.shape != found.shape:
        return f"{program}: shape {found.shape}, not {expected.shape}"
    index = tuple(int(i) for i in np.argwhere(expected != found)[0])
    return (
        f"{program}: {float(found[index])!r} at {index}, exactly {float(expected[index])!r}; "
        f"{np.count_nonzero(expected != found)} of {expected.size} differ, here of "
        f"{[x[index[0]].tolist() for x in read if len(x) == len(expected)]}"
    )


def counterexample(layer: Small, what: str, analysis: Analysis | None) -> str:
    """All that it takes to see it again."""
    known = analysis or analyse(layer.graph, layer.domains)
    with np.printoptions(threshold=100_000, floatmode="unique"):
        nodes = [
            f"  {n.name} = {n.op}\n    {known.certificates[n.name]}" for n in layer.graph.nodes
        ]
    domains = [f"  {name} on {grid}" for name, grid in layer.domains.items()]
    return "\n".join([f"seed {layer.seed} ({layer.kind}): {what}", *domains, *nodes])
