"""What became of each model of a folder, as the rows of a table."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

PASSES: Final = ("PROVEN", "BOUNDED", "SAMPLED")
METHODS: Final = ("algebraic", "codes", "enumerated")


@dataclass(frozen=True, slots=True)
class Difference:
    """A layer that differs or could not be checked, by itself, and what the report says of it."""

    layer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one model."""

    name: str
    exported: str
    verdict: str
    answered: bool
    seconds: float
    counts: Mapping[str, int] = field(default_factory=dict)
    outputs: str = "-"
    differences: tuple[Difference, ...] = ()
    message: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns of `HEADINGS`."""
        first = next(iter(self.differences), None)
        why = self.message if first is None else f"{first.layer}: {first.reason}"
        counts = (str(self.counts.get(name, 0)) for name in COUNTED)
        parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.parts.items())
        seconds = f"{self.seconds:.1f}" + (f" ({parts})" if parts else "")
        return (self.name, self.exported, self.verdict, *counts, self.outputs, seconds, why)


COUNTED: Final = (*METHODS, "bounded", "sampled", "other")
"""Layers by how they are proven, or else by verdict."""

HEADINGS: Final = (
    "model",
    "exported",
    "verdict",
    *COUNTED,
    "outputs identical",
    "seconds",
    "first that is not proven",
)


def known(layer: Mapping[str, Any]) -> str:
    """How a layer is proven, or its verdict."""
    if layer["proof"]:
        return str(layer["proof"]["method"])
    verdict = str(layer["verdict"])
    return verdict.lower() if verdict in PASSES else "other"


def outputs_identical(outputs: Sequence[Mapping[str, Any]]) -> str:
    """Whether ONNX Runtime gave TensorFlow's bits, in both of its runs, for every output."""
    pairs = [
        pair
        for output in outputs
        for pair in output["comparisons"]
        if any(name.startswith("ONNX Runtime") for name in pair["witnesses"])
        and "TensorFlow" in pair["witnesses"]
    ]
    if not pairs or any(pair["elements"] == 0 for pair in pairs):
        return "-"
    worst = max(pairs, key=lambda pair: pair["differing"] / pair["elements"])
    return "no, {differing} of {elements} differ".format(**worst) if worst["differing"] else "yes"


def own_differences(report: Mapping[str, Any]) -> Iterator[Difference]:
    """What is not proven and inherits no difference; what does not pass comes first."""
    found = [r for r in report["layers"] if r["verdict"] != "PROVEN" and not r["inherited_from"]]
    for layer in sorted(found, key=lambda layer: layer["verdict"] in PASSES):
        yield Difference(layer["name"], layer["reason"] or layer["doubt"])
    for weight in report["weights"]:
        if weight["verdict"] not in ("PROVEN", "SAMPLED"):
            yield Difference(f"{weight['layer']}.{weight['role']}", weight_reason(weight))


def weight_reason(weight: Mapping[str, Any]) -> str:
    """Why an effective weight does not pass."""
    if weight["verdict"] == "UNCHECKED":
        return "an effective weight that was compared with nothing"
    return "{differing} of {elements} effective weights differ".format(**weight)


def summary(rows: Sequence[Row], seconds: float) -> str:
    """How many models came how far."""
    exported = [row for row in rows if row.exported == "yes"]
    verdicts = Counter(row.verdict for row in exported)
    parts = [
        f"{len(rows)} models; {len(exported)} exported",
        *(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())),
        f"layers: {', '.join(f'{n} {name}' for name, n in of_layers(exported))}",
        f"outputs identical in {sum(row.outputs == 'yes' for row in exported)}",
        f"without an answer: {sum(not row.answered for row in rows)}",
        f"{seconds:.0f} s",
    ]
    return "; ".join(parts)


def of_layers(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """How many layers of all models are known in which way."""
    totals = sum((Counter(row.counts) for row in rows), Counter[str]())
    return [(name, totals[name]) for name in COUNTED if totals[name]]


def markdown(rows: Sequence[Row], total: str) -> str:
    """The table and every difference, as a note that can be handed on."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    lines += ["| " + " | ".join(map(escape, row.cells)) + " |" for row in rows]
    lines += ["", total, ""]
    lines += [
        f"- {escape(row.name)}, `{difference.layer}`: {escape(difference.reason)}"
        for row in rows
        for difference in row.differences
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that does not end a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")
