"""What a check found, as frozen data: the report, before anybody renders it."""

from dataclasses import dataclass
from enum import Enum

from qconvert.checking.compare import Difference, Example
from qconvert.checking.witness import Witness


class Verdict(Enum):
    """What is known about a layer, from the strongest to the weakest.

    `BOUNDED` is weaker than `SAMPLED`: results were seen to differ, though by no more than the
    rounding of correct programs.
    """

    PROVEN = "PROVEN"
    SAMPLED = "SAMPLED"
    BOUNDED = "BOUNDED"
    UNCHECKED = "UNCHECKED"
    DIFFERS = "DIFFERS"

    @property
    def passes(self) -> bool:
        """Whether a release may rely on it."""
        return self not in (Verdict.UNCHECKED, Verdict.DIFFERS)


def weakest(verdicts: "tuple[Verdict, ...]") -> Verdict:
    """The verdict of the whole; nothing at all is `UNCHECKED`."""
    order = list(Verdict)
    return max(verdicts, key=order.index, default=Verdict.UNCHECKED)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out for one pair of witnesses; ``largest_steps`` counts quantization steps."""

    first: Witness
    second: Witness
    difference: Difference
    largest_steps: float | None


@dataclass(frozen=True, slots=True)
class Proof:
    """Why all correct programs agree about a layer: ``bits`` of 24 that its largest sum takes."""

    arguments: tuple[str, ...]
    bits: int | None = None
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one compared thing, why, and what it rests on.

    ``inherited_from`` names the layers whose differences explain all of this one's; ``doubt`` is
    what stands in the way of a proof; ``conditions`` say where the file runs as it was checked.
    """

    verdict: Verdict
    reason: str
    comparisons: tuple[Comparison, ...]
    inherited_from: tuple[str, ...] = ()
    proof: Proof | None = None
    doubt: str = ""
    conditions: tuple[str, ...] = ()

    @property
    def worst(self) -> Comparison | None:
        """The comparison to show: the one with most differing elements."""
        return max(self.comparisons, key=lambda c: c.difference.differing, default=None)

    @property
    def example(self) -> Example | None:
        """The first place where any two witnesses differ."""
        found = (c.difference.first for c in self.comparisons if c.difference.first)
        return min(found, key=lambda example: example.index, default=None)


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One call of a Keras layer; bits are ``None`` where nothing is quantized.

    ``converter`` is the other program that converted it, whose layers NumPy does not compute;
    ``notes`` tell what QKeras does there that its user may not expect; ``kernels`` are the linear
    operators that ONNX Runtime computes it with, as deployed.
    """

    name: str
    class_name: str
    weight_bits: int | None
    activation_bits: int | None
    finding: Finding
    converter: str | None = None
    notes: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WeightResult:
    """One effective weight against QKeras's own and the ONNX file's, all elements of it.

    ``stored`` compares with the file; ``None`` where the file holds no such weight.
    """

    layer: str
    role: str
    verdict: Verdict
    difference: Difference
    stored: Difference | None = None


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
class Report:
    """Everything a check found, layers in topological order."""

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

    @property
    def verdict(self) -> Verdict:
        """The weakest verdict of layers, weights and outputs; nothing compared is no pass.

        A model without layers, which returns its inputs, is compared by its outputs.
        """
        if not (self.samples and self.outputs) or self.failed:
            return weakest((Verdict.UNCHECKED, *self._verdicts()))
        return weakest(self._verdicts())

    @property
    def passed(self) -> bool:
        """Whether everything was compared and nothing differs."""
        return self.verdict.passes

    @property
    def failed(self) -> tuple[WitnessResult, ...]:
        """The witnesses that did not see it through."""
        return tuple(witness for witness in self.witnesses if witness.failure is not None)

    @property
    def reference_ambiguous(self) -> bool:
        """Whether TensorFlow disagrees with itself."""
        return bool(self.ambiguous)

    @property
    def first_difference(self) -> LayerResult | None:
        """The topologically first layer that differs by itself, or else at all."""
        differing = [r for r in self.layers if r.finding.verdict is Verdict.DIFFERS]
        own = [r for r in differing if not r.finding.inherited_from]
        return next(iter(own or differing), None)

    @property
    def exit_code(self) -> int:
        """0 passed, 1 differs or unchecked, 5 a witness is missing."""
        if self.passed:
            return 0
        return 5 if self.failed and self.verdict is not Verdict.DIFFERS else 1

    def _verdicts(self) -> tuple[Verdict, ...]:
        return (
            *(layer.finding.verdict for layer in self.layers),
            *(weight.verdict for weight in self.weights),
            *(output.finding.verdict for output in self.outputs),
        )
