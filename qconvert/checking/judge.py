"""From comparisons to verdicts: which witness is alone, and whose fault a difference is."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from math import isfinite
from typing import Final, TypeAlias

from qconvert.checking.ancestry import origins, sources
from qconvert.checking.compare import PAIRS, Difference
from qconvert.checking.results import Comparison, Finding, Verdict, WeightResult
from qconvert.checking.rounding import INHERITED
from qconvert.checking.witness import Witness
from qconvert.ir import Graph
from qconvert.ir.graph import in_order

Pair: TypeAlias = tuple[Witness, Witness]
Differences: TypeAlias = Mapping[Pair, Difference]

#: The witnesses without which nothing passes; `Witness.DEPLOYED` sees some layers only.
REQUIRED: Final = (Witness.TENSORFLOW, Witness.ORT, Witness.NUMPY)

_TF_ORT: Final = (Witness.TENSORFLOW, Witness.ORT)
_TF_NUMPY: Final = (Witness.TENSORFLOW, Witness.NUMPY)
_NUMPY_ORT: Final = (Witness.NUMPY, Witness.ORT)
_TF_DEPLOYED: Final = (Witness.TENSORFLOW, Witness.DEPLOYED)
_ORT_DEPLOYED: Final = (Witness.ORT, Witness.DEPLOYED)

#: Which of (TensorFlow, ORT), (TensorFlow, NumPy), (NumPy, ORT) differ, and what that says.
_DIAGNOSES: Final[Mapping[tuple[bool, bool, bool], str]] = {
    (True, False, True): "ONNX Runtime differs from TensorFlow and NumPy",
    (False, True, True): "NumPy differs from TensorFlow and ONNX Runtime",
    (True, True, False): "TensorFlow differs from ONNX Runtime and NumPy",
    (True, True, True): "TensorFlow, ONNX Runtime and NumPy all differ",
}


def judge(
    differences: Differences,
    *,
    step: float | None = None,
    required: Sequence[Witness] = REQUIRED,
    failed: Set[Witness] = frozenset(),
    weights: Sequence[WeightResult] = (),
    inherited_from: tuple[str, ...] = (),
    rounding: str = INHERITED,
    note: str = "",
) -> Finding:
    """The verdict on one layer or output from all that was compared of it.

    *required* witnesses have to appear in *differences*, or it is `Verdict.UNCHECKED`; *failed*
    ones saw only a part of the samples. *rounding* tells where programs may round differently,
    *note* what the reader of any verdict has to know.
    """
    comparisons = tuple(
        Comparison(pair, difference, _steps(difference, step))
        for pair, difference in differences.items()
    )
    wrong = _wrong_weights(weights)
    diagnosis = diagnose(differences)
    if wrong or diagnosis:
        origin = f"inherited from {', '.join(inherited_from)}: " if inherited_from else ""
        reason = "; ".join(
            part for part in (wrong, origin + diagnosis if diagnosis else "", note) if part
        )
        return Finding(Verdict.DIFFERS, reason, comparisons, () if wrong else tuple(inherited_from))
    missing = _missing(differences, required, failed) or _unchecked_weights(weights)
    if missing:
        return Finding(Verdict.UNCHECKED, missing, comparisons)
    if any(difference.differing for difference in differences.values()):
        reason = f"rounding: {rounding}; {note}" if note else f"rounding: {rounding}"
        return Finding(Verdict.BOUNDED, reason, comparisons)
    return Finding(Verdict.SAMPLED, note, comparisons)


def diagnose(differences: Differences) -> str:
    """Which witnesses disagree beyond rounding, in words; empty if none do."""
    differ = {pair for pair, difference in differences.items() if difference.beyond}
    found = (_of_three(differ), _of_deployed(differ))
    return "; ".join(part for part in found if part)


def with_inherited(graph: Graph, layers: Mapping[str, Differences]) -> dict[str, Differences]:
    """Count differences that follow from a fault before them as beyond rounding, too.

    Each layer is judged by what it computes from, so that behind a fault all may be right.
    """
    faulty = faults(graph, layers)
    return {name: _raised(name, differences, faulty) for name, differences in layers.items()}


def faults(graph: Graph, layers: Mapping[str, Differences]) -> set[tuple[Pair, str]]:
    """The layers at or behind a difference that rounding does not explain, for each pair."""
    before = sources(graph)
    found: set[tuple[Pair, str]] = set()
    for pair in PAIRS:
        for layer in in_order(graph):
            difference = layers.get(layer.name, {}).get(pair)
            equal = difference is not None and not difference.differing
            own = difference is not None and difference.beyond > 0
            if own or (not equal and any((pair, source) in found for source in before[layer.name])):
                found.add((pair, layer.name))
    return found


def output_with_inherited(
    graph: Graph, value: str, output: Differences, faulty: Set[tuple[Pair, str]]
) -> Differences:
    """`with_inherited` of an output, of which *value* is the value, where `faults` are known."""
    owner = next((layer.name for layer in in_order(graph)[::-1] if layer.value == value), None)
    # What differs in the instrumented run may as well differ as deployed.
    also = {(_TF_DEPLOYED, name) for pair, name in faulty if pair in (_TF_ORT, _ORT_DEPLOYED)}
    return output if owner is None else _raised(owner, output, faulty | also)


def _raised(
    name: str, differences: Differences, faulty: Set[tuple[Pair, str]]
) -> dict[Pair, Difference]:
    return {
        pair: replace(found, beyond=found.differing) if (pair, name) in faulty else found
        for pair, found in differences.items()
    }


def altered(weights: Iterable[WeightResult]) -> frozenset[str]:
    """The layers of which the file is known to have other weights, number by number."""
    return frozenset(
        weight.layer
        for weight in weights
        if weight.stored is not None and weight.stored.beyond and isfinite(weight.stored.largest)
    )


def inheritance(
    graph: Graph, layers: Mapping[str, Differences], altered: Set[str] = frozenset()
) -> dict[str, tuple[str, ...]]:
    """For every layer the layers that its differences come from; empty where one is its own.

    A layer is not to blame if, for each pair of witnesses that disagree about it, they disagree
    about an input of it already; or would, if the file showed that layer, which is *altered* and
    a part of another's operators.
    """
    before = sources(graph)
    found: dict[Pair, dict[str, tuple[str, ...]]] = {}
    result: dict[str, tuple[str, ...]] = {}
    differing = _by_pair(layers)
    for pair in differing.keys() & {_TF_ORT, _NUMPY_ORT}:
        differing[pair] = dict.fromkeys(altered, True) | differing[pair]
    for layer in in_order(graph):
        blamed: list[tuple[str, ...]] = []
        for pair, of_pair in differing.items():
            if of_pair.get(layer.name):
                known = found.setdefault(pair, {})
                known[layer.name] = origins(layer.name, of_pair, before, known)
                blamed.append(known[layer.name])
        own = not all(blamed)
        result[layer.name] = () if own else tuple(dict.fromkeys(n for b in blamed for n in b))
    return result


def output_inheritance(
    graph: Graph,
    value: str,
    output: Differences,
    layers: Mapping[str, Differences],
    inherited: Mapping[str, tuple[str, ...]],
) -> tuple[str, ...]:
    """The layers that the differences of an *output*, of which *value* is the value, come from."""
    owner = next((layer.name for layer in in_order(graph)[::-1] if layer.value == value), None)
    wrong = {pair for pair, difference in output.items() if difference.beyond}
    if owner is None or _ORT_DEPLOYED in wrong:
        return ()
    found = layers.get(owner, {})
    explained = {pair for pair, difference in found.items() if difference.beyond}
    wrong -= {_TF_DEPLOYED}
    return inherited[owner] or (owner,) if wrong and wrong <= explained else ()


def _by_pair(layers: Mapping[str, Differences]) -> dict[Pair, dict[str, bool]]:
    result: dict[Pair, dict[str, bool]] = {}
    for name, differences in layers.items():
        for pair, difference in differences.items():
            # As TensorFlow and ONNX Runtime differ, so does its deployed run, which shows in a
            # few layers only; what is its own shows against the instrumented run.
            if difference.elements and pair != _TF_DEPLOYED:
                result.setdefault(pair, {})[name] = difference.beyond > 0
    return result


def _of_three(differ: Set[Pair]) -> str:
    table = _DIAGNOSES.get((_TF_ORT in differ, _TF_NUMPY in differ, _NUMPY_ORT in differ))
    if table:
        return table
    # Fewer than three witnesses: all there is to say is who differs from whom.
    pairs = (pair for pair in (_TF_ORT, _TF_NUMPY, _NUMPY_ORT) if pair in differ)
    return "; ".join(f"{b.value} differs from {a.value}" for a, b in pairs)


def _of_deployed(differ: Set[Pair]) -> str:
    if _ORT_DEPLOYED in differ:
        return "the deployed run differs from the instrumented run"
    if _TF_DEPLOYED in differ and _TF_ORT not in differ:
        return "the deployed run differs from TensorFlow"
    return ""


def _steps(difference: Difference, step: float | None) -> float | None:
    return None if step is None else difference.largest / step


def _missing(differences: Differences, required: Sequence[Witness], failed: Set[Witness]) -> str:
    compared = {w for pair, d in differences.items() if d.elements for w in pair}
    absent = [w.value for w in required if w not in compared]
    if absent:
        return f"no counterpart in {', '.join(absent)}"
    stopped = [w.value for w in required if w in failed]
    return f"{', '.join(stopped)} failed on the way" if stopped else ""


def _wrong_weights(weights: Sequence[WeightResult]) -> str:
    found = (
        ("effective weights differ", _beyond(weights)),
        ("the file's weights differ", _stored(weights)),
    )
    return "; ".join(f"{what} ({', '.join(parts)})" for what, parts in found if parts)


def _beyond(weights: Sequence[WeightResult]) -> list[str]:
    wrong = ((w.role, w.difference) for w in weights if w.difference.beyond)
    return [f"{role} {found.differing} of {found.elements}" for role, found in wrong]


def _stored(weights: Sequence[WeightResult]) -> list[str]:
    wrong = ((w.role, w.stored) for w in weights if w.stored and w.stored.differing)
    return [f"{role} {found.differing} of {found.elements}" for role, found in wrong]


def _unchecked_weights(weights: Sequence[WeightResult]) -> str:
    unchecked = [w.role for w in weights if w.verdict is Verdict.UNCHECKED]
    return f"no counterpart for the weight {', '.join(unchecked)}" if unchecked else ""
