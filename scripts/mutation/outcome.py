"""What a check said, as one process tells another."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from qconvert.checking import Report
from qconvert.checking.results import Verdict

_WRONG = (Verdict.DIFFERS, Verdict.UNCHECKED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A report in short: its verdict, where it found what first, why, and its exit code."""

    verdict: str
    place: str | None
    message: str
    exit_code: int = 1
    #: By layer, its conditions and what stands in the way of a proof.
    remarks: Mapping[str, str] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Whether a release would go out."""
        return self.verdict in ("PROVEN", "SAMPLED", "BOUNDED") and self.exit_code == 0

    def names(self, layer: str, verdict: str) -> bool:
        """Whether it says that of the layer.

        `UNCHECKED` may name it in what a witness says that failed; ``PASSES`` names nothing.
        """
        if verdict == "PASSES":
            return self.passes
        named = self.place == layer or (verdict == "UNCHECKED" and layer in self.message)
        return self.verdict == verdict and named and self.exit_code != 0


def outcome_of(report: Report) -> Outcome:
    """The short form of a report."""
    first = report.first_difference
    reason = "" if first is None else first.finding.reason
    failures = (witness.failure or "" for witness in report.failed)
    # ONNX Runtime's messages have several lines.
    message = " ".join(" ".join([reason, *failures]).split())
    remarks = {
        layer.name: "; ".join([*layer.finding.conditions, layer.finding.doubt])
        for layer in report.layers
    }
    return Outcome(report.verdict.value, _place(report), message, report.exit_code, remarks)


def _place(report: Report) -> str | None:
    """The first layer to blame, or else the first output or weight."""
    if report.first_difference is not None:
        return report.first_difference.name
    if report.verdict not in _WRONG:
        return None
    layers = [x.name for x in report.layers if x.finding.verdict is report.verdict]
    outputs = [f"output {x.name}" for x in report.outputs if x.finding.verdict is report.verdict]
    weights = [f"weight {x.layer}/{x.role}" for x in report.weights if x.verdict is report.verdict]
    return next(iter([*layers, *outputs, *weights]), None)
