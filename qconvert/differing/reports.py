"""Two reports of ``check``: which verdicts got better or worse, and what they are about."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from qconvert.differing.aligning import by_name
from qconvert.differing.results import Change, Kind

#: A part of a report, as JSON is read.
Json: TypeAlias = Mapping[str, Any]

#: From the strongest to the weakest.
_VERDICTS: Final = ("PROVEN", "BOUNDED", "SAMPLED", "UNCHECKED", "DIFFERS")
_OF_THE_WHOLE: Final = (
    "passed", "required", "ignored", "samples", "inputs", "inputs_sha256", "reference_ambiguous",
    "environment",
)  # fmt: skip
#: How a file was read that tells nothing, and what was moved in it.
_OF_THE_FILE: Final = (
    ("by_value", ("inputs", "outputs", "layers")),
    ("repair", ("moved", "unrepaired")),
)
_OF_A_LAYER: Final = (
    "class_name", "weight_bits", "activation_bits", "converter", "notes", "kernels",
)  # fmt: skip
_OF_A_FINDING: Final = ("reason", "doubt", "inherited_from", "conditions")
_OF_A_PROOF: Final = ("method", "arguments", "bits", "assumptions", "states", "near", "numbers")
_OF_A_BOUND: Final = ("largest", "steps", "states", "near")


def report_changes(first: Json, second: Json) -> Iterator[Change]:
    """From the first to the second: the whole, layers with their weights, then outputs."""
    yield from _verdict_change("", "verdict", first, second)
    for what in _OF_THE_WHOLE:
        yield from _text_change("", what, first, second)
    for what in ("model", "onnx"):
        files = first.get(what, {}), second.get(what, {})
        yield from _text_change("", "sha256", *files, prefix=f"{what} ")
    for what, parts in _OF_THE_FILE:
        told = first.get(what) or {}, second.get(what) or {}
        for part in parts:
            yield from _text_change("", part, *told, prefix=f"{what} ")
    yield from _witness_changes(first, second)
    yield from _layer_changes(first, second)
    yield from _output_changes(first.get("outputs", ()), second.get("outputs", ()))


def _witness_changes(first: Json, second: Json) -> Iterator[Change]:
    """Versions of what ran, and whether it failed."""
    before, after = (
        {str(each["witness"]): each for each in report.get("witnesses", ())}
        for report in (first, second)
    )
    for name in dict.fromkeys((*before, *after)):
        for what in ("versions", "failure"):
            one, other = before.get(name, {}), after.get(name, {})
            yield from _text_change("", what, one, other, prefix=f"{name} ")


def _layer_changes(first: Json, second: Json) -> Iterator[Change]:
    layers = first.get("layers", ()), second.get("layers", ())
    weights = _weights(first), _weights(second)
    for a, b in by_name(*(_named(each, "class_name") for each in layers)):
        if a is None or b is None:
            yield from _alone(layers[0], layers[1], a, b, "")
            continue
        one, other = layers[0][a], layers[1][b]
        name = str(one["name"])
        if name != other["name"]:
            yield Change(name, Kind.RENAMED, "", name, str(other["name"]))
        yield from _finding_changes(name, "", one, other)
        for what in _OF_A_LAYER:
            yield from _text_change(name, what, one, other)
        yield from _weight_changes(
            name, weights[0].get(name, {}), weights[1].get(str(other["name"]), {})
        )


def _output_changes(first: Sequence[Json], second: Sequence[Json]) -> Iterator[Change]:
    for a, b in by_name(_named(first, "name"), _named(second, "name")):
        if a is None or b is None:
            yield from _alone(first, second, a, b, "output ")
        else:
            yield from _finding_changes("", f"output {first[a]['name']} ", first[a], second[b])


def _alone(
    first: Sequence[Json], second: Sequence[Json], a: int | None, b: int | None, what: str
) -> Iterator[Change]:
    """What only one of the reports has."""
    if a is not None:
        yield _alone_change(first[a], what, Kind.REMOVED)
    elif b is not None:
        yield _alone_change(second[b], what, Kind.ADDED)


def _alone_change(part: Json, what: str, kind: Kind) -> Change:
    name, verdict = str(part["name"]), str(part.get("verdict"))
    texts = (verdict, None) if kind is Kind.REMOVED else (None, verdict)
    return Change("", kind, what + name, *texts) if what else Change(name, kind, "", *texts)


def _weights(report: Json) -> dict[str, dict[str, Json]]:
    found: dict[str, dict[str, Json]] = {}
    for each in report.get("weights", ()):
        found.setdefault(str(each["layer"]), {})[str(each["role"])] = each
    return found


def _weight_changes(
    layer: str, first: Mapping[str, Json], second: Mapping[str, Json]
) -> Iterator[Change]:
    for role in dict.fromkeys((*first, *second)):
        one, other = first.get(role, {}), second.get(role, {})
        yield from _verdict_change(layer, f"{role} verdict", one, other)
        if one and other:
            yield from _text_change(layer, role, _differing(one), _differing(other))


def _differing(weight: Json) -> dict[str, str]:
    """How much of a weight differs, from QKeras's and in the file."""
    role, stored = str(weight["role"]), weight.get("stored") or {}
    return {role: f"{_count(weight)}; in the file {_count(stored)}"}


def _finding_changes(layer: str, what: str, first: Json, second: Json) -> Iterator[Change]:
    """A verdict, its reason, what is behind it, and what differed."""
    yield from _verdict_change(layer, f"{what}verdict", first, second)
    for name in _OF_A_FINDING:
        yield from _text_change(layer, name, first, second, prefix=what)
    for part, names in (("proof", _OF_A_PROOF), ("bound", _OF_A_BOUND)):
        parts = first.get(part) or {}, second.get(part) or {}
        for name in names:
            yield from _text_change(layer, name, *parts, prefix=f"{what}{part} ")
    before, after = _comparisons(first), _comparisons(second)
    for pair in dict.fromkeys((*before, *after)):
        yield from _text_change(layer, pair, before, after, prefix=what)


def _comparisons(finding: Json) -> dict[str, str]:
    """How much differed between which witnesses; of how many follows from the samples."""
    return {
        " and ".join(map(str, each["witnesses"])): _count(each)
        for each in finding.get("comparisons", ())
    }


def _count(difference: Json) -> str:
    if "differing" not in difference:
        return "not compared"
    number, beyond, most = (difference.get(x) for x in ("differing", "beyond", "largest"))
    return f"{number} differ by up to {most}, {beyond} beyond rounding"


def _verdict_change(layer: str, what: str, first: Json, second: Json) -> Iterator[Change]:
    before, after = first.get("verdict"), second.get("verdict")
    if before == after:
        return
    kind = Kind.CHANGED
    if before in _VERDICTS and after in _VERDICTS:
        better = _VERDICTS.index(after) < _VERDICTS.index(before)
        kind = Kind.BETTER if better else Kind.WORSE
    yield Change(layer, kind, what, _text(before), _text(after))


def _text_change(
    layer: str, what: str, first: Json, second: Json, prefix: str = ""
) -> Iterator[Change]:
    before, after = first.get(what), second.get(what)
    if before != after:
        yield Change(layer, Kind.CHANGED, prefix + what, _text(before), _text(after))


def _named(parts: Sequence[Json], kind: str) -> list[tuple[str, str]]:
    return [(str(part["name"]), str(part.get(kind))) for part in parts]


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
