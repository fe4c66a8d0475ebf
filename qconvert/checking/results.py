"""What a check found, as frozen data: the report, before anybody renders it."""

from dataclasses import dataclass
from enum import Enum

from qconvert.checking.compare import Difference, Example
from qconvert.checking.distribution import Distribution, ErrorMap
from qconvert.checking.grounds import Bound, Proof
from qconvert.checking.repair.moves import NOT_REPAIRED, Repair
from qconvert.checking.witness import Witness


class Verdict(Enum):
    """What is known about a layer, from the strongest to the weakest; docs/PROOFS.md explains."""

    PROVEN = "PROVEN"
    BOUNDED = "BOUNDED"
    SAMPLED = "SAMPLED"
    UNCHECKED = "UNCHECKED"
    DIFFERS = "DIFFERS"

    @property
    def passes(self) -> bool:
        """Whether a release may rely on it."""
        return self not in (Verdict.UNCHECKED, Verdict.DIFFERS)

    def is_weaker_than(self, other: "Verdict") -> bool:
        """Whether less is known than *other* says."""
        order = list(Verdict)
        return order.index(self) > order.index(other)


def weakest(verdicts: "tuple[Verdict, ...]") -> Verdict:
    """The verdict of the whole; nothing at all is `UNCHECKED`."""
    order = list(Verdict)
    return max(verdicts, key=order.index, default=Verdict.UNCHECKED)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out for one pair of witnesses; ``largest_steps`` counts quantization steps."""

    witnesses: tuple[Witness, Witness]
    difference: Difference
    largest_steps: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one compared thing, why, and what it rests on.

    ``inherited_from`` names the layers whose differences explain all of this one's; ``doubt`` is
    what stands in the way of a proof, and ``bound`` what is known instead. ``conditions`` say where
    the file runs as it was checked.
    """

    verdict: Verdict
    reason: str
    comparisons: tuple[Comparison, ...]
    inherited_from: tuple[str, ...] = ()
    proof: Proof | None = None
    doubt: str = ""
    bound: Bound | None = None
    conditions: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether all that was compared was the same, bit for bit."""
        return all(not one.difference.differing for one in self.comparisons)

    @property
    def worst(self) -> Comparison | None:
        """The comparison with most differing elements."""
        return max(self.comparisons, key=lambda c: c.difference.differing, default=None)

    @property
    def farthest(self) -> Comparison | None:
        """The comparison with the largest distance, which need not be the worst."""
        return max(self.comparisons, key=lambda c: c.difference.largest, default=None)

    @property
    def example(self) -> Example | None:
        """The first place where any two witnesses differ."""
        beyond = [c for c in self.comparisons if c.difference.beyond]
        found = (c.difference.first for c in beyond or self.comparisons if c.difference.first)
        return min(found, key=lambda example: example.index, default=None)


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One call of a Keras layer; bits are ``None`` where nothing is quantized.

    ``converter`` is the other program that converted it, whose layers NumPy does not compute;
    ``notes`` tell what QKeras does there that its user may not expect; ``kernels`` are the linear
    operators that ONNX Runtime computes it with, as deployed. ``sources`` are the layers that it
    computes from, ``results`` how TensorFlow's numbers are distributed, if it took part, and
    ``errors`` where witnesses differ from these.
    """

    name: str
    class_name: str
    weight_bits: int | None
    activation_bits: int | None
    finding: Finding
    converter: str | None = None
    notes: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    results: Distribution | None = None
    errors: ErrorMap | None = None


@dataclass(frozen=True, slots=True)
class WeightResult:
    """One effective weight against QKeras's own and the ONNX file's, all elements of it.

    ``stored`` compares with the file; ``None`` where the file holds no such weight. ``raw`` is how
    its numbers are distributed before they are quantized, ``effective`` how after.
    """

    layer: str
    role: str
    verdict: Verdict
    difference: Difference
    stored: Difference | None = None
    raw: Distribution | None = None
    effective: Distribution | None = None


@dataclass(frozen=True, slots=True)
class OutputResult:
    """One output of the model."""

    name: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class AmbiguousResult:
    """An output for which TensorFlow's ``predict`` differs from its ``model(x)``, the truth."""

    name: str
    elements: int
    differing: int
    largest: float


@dataclass(frozen=True, slots=True)
class WitnessResult:
    """A witness, the versions of its parts, and why it failed, if it did."""

    witness: Witness
    versions: tuple[tuple[str, str], ...]
    failure: str | None


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the check ran."""

    qconvert: str
    python: str
    machine: str


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that took part; ``path`` is ``None`` for a model that was exported to memory."""

    path: str | None
    sha256: str


@dataclass(frozen=True, slots=True)
class Reproducer:
    """The folder that shows the first difference by itself, and what is in it."""

    path: str
    summary: str


@dataclass(frozen=True, slots=True)
class ByValue:
    """What was found in a file that does not say where its layers are: names with their places.

    A layer that is missing has no tensor of its own there, as far as its values tell.
    """

    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    layers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a check found, layers in topological order.

    ``required`` is the weakest verdict that is to pass, ``seconds`` what each part took;
    ``ignored`` are layers whose verdicts do not count, and why the user says so;
    ``by_value`` tells how an ONNX file was read that qconvert did not write, and ``repair`` what
    was moved in it. ``inputs_sha256`` is of all samples.
    """

    model: CheckedFile
    onnx: CheckedFile
    inputs: str
    samples: int
    layers: tuple[LayerResult, ...]
    weights: tuple[WeightResult, ...]
    outputs: tuple[OutputResult, ...]
    ambiguous: tuple[AmbiguousResult, ...]
    witnesses: tuple[WitnessResult, ...]
    environment: Environment
    required: Verdict = Verdict.SAMPLED
    seconds: tuple[tuple[str, float], ...] = ()
    reproducer: Reproducer | None = None
    by_value: ByValue | None = None
    repair: Repair = NOT_REPAIRED
    inputs_sha256: str | None = None
    ignored: tuple[tuple[str, str], ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The weakest verdict of layers, weights and outputs; nothing compared is no pass.

        A model without layers, which returns its inputs, is compared by its outputs; so are
        layers that are `not_found`.
        """
        if not (self.samples and self.outputs and self.witnesses) or self.failed:
            return weakest((Verdict.UNCHECKED, *self._verdicts()))
        return weakest(self._verdicts())

    @property
    def passed(self) -> bool:
        """Whether everything was compared, nothing differs, and what is known is enough."""
        return self.verdict.passes and not self.verdict.is_weaker_than(self.required)

    @property
    def failed(self) -> tuple[WitnessResult, ...]:
        """The witnesses that did not see it through."""
        return tuple(witness for witness in self.witnesses if witness.failure is not None)

    @property
    def not_found(self) -> tuple[str, ...]:
        """The layers of which a file that was read by value has no tensor of their own."""
        if self.by_value is None:
            return ()
        found = {name for name, _ in self.by_value.layers}
        return tuple(layer.name for layer in self.layers if layer.name not in found)

    @property
    def unseen(self) -> frozenset[str]:
        """The layers that were not found and that nothing else is known of: they do not count."""
        missing = set(self.not_found)
        layers = (layer for layer in self.layers if layer.name in missing)
        return frozenset(x.name for x in layers if x.finding.verdict is Verdict.UNCHECKED)

    @property
    def reference_ambiguous(self) -> bool:
        """Whether TensorFlow disagrees with itself."""
        return bool(self.ambiguous)

    @property
    def first_difference(self) -> LayerResult | None:
        """The topologically first layer that differs by itself, or else at all; none ignored."""
        ignored = dict(self.ignored)
        counting = [layer for layer in self.layers if layer.name not in ignored]
        differing = [r for r in counting if r.finding.verdict is Verdict.DIFFERS]
        own = [r for r in differing if not r.finding.inherited_from]
        return next(iter(own or differing), None)

    @property
    def exit_code(self) -> int:
        """0 passed, 1 differs, unchecked or less than required, 5 a witness is missing."""
        if self.passed:
            return 0
        return 5 if self.failed and self.verdict is not Verdict.DIFFERS else 1

    @property
    def counted(self) -> tuple[tuple[str, Verdict], ...]:
        """All that the verdict is made of, by name: neither what is ignored nor what is unseen."""
        ignored = dict(self.ignored)
        left_out = self.unseen | ignored.keys()
        return (
            *((x.name, x.finding.verdict) for x in self.layers if x.name not in left_out),
            *((output.name, output.finding.verdict) for output in self.outputs),
            *((f"{w.layer}/{w.role}", w.verdict) for w in self.weights if w.layer not in ignored),
            *((one.layer, Verdict.DIFFERS) for one in self.repair.unrepaired),
        )

    def _verdicts(self) -> tuple[Verdict, ...]:
        return tuple(verdict for _, verdict in self.counted)
