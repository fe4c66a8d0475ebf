"""Two ONNX graphs, operator by operator, whatever their tensors are called."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import onnx

from qconvert.checking.deployed.kernels import operator_of
from qconvert.differing.aligning import Pair, by_kind, by_name, merged
from qconvert.differing.arrays import array_changes
from qconvert.differing.operators import (
    View,
    array_of,
    bodies_of,
    input_name,
    key_of,
    options_of,
    type_of,
    view_of,
)
from qconvert.differing.results import Change, Kind

#: Stands for the names of constants, which mean nothing.
_CONSTANT: Final = "a constant"


@dataclass(frozen=True, slots=True)
class Part:
    """Operators that belong together: those of a layer, or all that belong to none."""

    name: str
    class_name: str
    operators: tuple[onnx.NodeProto, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Both:
    """Two graphs that are compared; ``same`` has the first's names of the second's tensors."""

    first: View
    second: View
    same: dict[str, str] = field(default_factory=dict)

    def own(self, names: Iterable[str]) -> list[str]:
        """Tensors of the first, constants without names."""
        return [_CONSTANT if name in self.first.constants else name for name in names]

    def called(self, names: Iterable[str]) -> list[str]:
        """Tensors of the second as the first calls them; the name of another one means nothing."""
        return [self._called(name) for name in names]

    def _called(self, name: str) -> str:
        if name in self.second.constants:
            return _CONSTANT
        return self.same.get(name, f"{name} (new)" if name else "")

    def calls_alike(self, first: Iterable[str], second: Iterable[str]) -> None:
        """Take tensors of both for the same, one after the other."""
        self.same.update(zip(second, first, strict=False))


def part_changes(both: Both, first: Sequence[Part], second: Sequence[Part]) -> Iterator[Change]:
    """Part by part: added, removed and renamed ones, and what is other in those of both."""
    pairs = by_name(*([(x.name, x.class_name) for x in parts] for parts in (first, second)))
    matched: dict[int, list[Pair]] = {}
    for a, b in pairs:
        if a is not None and b is not None:
            matched[a] = _matched(first[a], second[b])
            for one, other in _of_both(matched[a], first[a], second[b]):
                both.calls_alike(one.output, other.output)
    for a, b in pairs:
        if a is not None and b is not None:
            yield from _changes_of(both, first[a], second[b], matched[a])
        elif a is not None:
            yield Change(first[a].name, Kind.REMOVED, "", first[a].class_name)
        elif b is not None:
            yield Change(second[b].name, Kind.ADDED, "", None, second[b].class_name)


def _matched(first: Part, second: Part) -> list[Pair]:
    """Equal operators in order, and of the others those that differ by their options alone."""
    pairs = by_kind(list(map(key_of, first.operators)), list(map(key_of, second.operators)))
    found = {a: b for a, b in pairs if a is not None and b is not None}
    gone = [a for a, b in pairs if a is not None and b is None]
    new = [b for a, b in pairs if a is None and b is not None]
    kinds = (
        [operator_of(first.operators[a]) for a in gone],
        [operator_of(second.operators[b]) for b in new],
    )
    alike = ((a, b) for a, b in by_kind(*kinds) if a is not None and b is not None)
    found |= {gone[a]: new[b] for a, b in alike}
    return merged(len(first.operators), len(second.operators), found)


def _of_both(
    pairs: Iterable[Pair], first: Part, second: Part
) -> Iterator[tuple[onnx.NodeProto, onnx.NodeProto]]:
    for a, b in pairs:
        if a is not None and b is not None:
            yield first.operators[a], second.operators[b]


def _changes_of(both: Both, first: Part, second: Part, matched: Sequence[Pair]) -> Iterator[Change]:
    name = first.name
    if name != second.name:
        yield Change(name, Kind.RENAMED, "", name, second.name)
    if first.class_name != second.class_name:
        yield Change(name, Kind.CHANGED, "class", first.class_name, second.class_name)
    for a, b in matched:
        if a is not None and b is not None:
            yield from _operator_changes(both, name, first.operators[a], second.operators[b])
        elif a is not None:
            node = first.operators[a]
            yield Change(name, Kind.REMOVED, f"operator {operator_of(node)}", options_of(node))
        elif b is not None:
            node = second.operators[b]
            yield Change(name, Kind.ADDED, f"operator {operator_of(node)}", None, options_of(node))


def _operator_changes(
    both: Both, layer: str, one: onnx.NodeProto, other: onnx.NodeProto
) -> Iterator[Change]:
    if key_of(one) != key_of(other):
        texts = options_of(one), options_of(other)
        yield Change(layer, Kind.CHANGED, operator_of(one), *texts)
    reads = both.own(one.input), both.called(other.input)
    if reads[0] != reads[1]:
        texts = _listed(reads[0]), _listed(reads[1])
        yield Change(layer, Kind.CHANGED, f"inputs of {operator_of(one)}", *texts)
    for place, (a, b) in enumerate(zip(one.input, other.input, strict=False)):
        before, after = both.first.constants.get(a), both.second.constants.get(b)
        if before is not None and after is not None:
            what = f"{operator_of(one)} {input_name(one, place)} ({a})"
            yield from constant_changes(layer, what, before, after)
    for before_body, after_body in zip(bodies_of(one), bodies_of(other), strict=False):
        yield from body_changes(both, layer, before_body, after_body)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name or "nothing" for name in names) or "none"


def constant_changes(
    layer: str, what: str, before: onnx.TensorProto, after: onnx.TensorProto
) -> Iterator[Change]:
    """The type, and the numbers whatever that is; integers lie one step apart."""
    types = type_of(before), type_of(after)
    if types[0] != types[1]:
        yield Change(layer, Kind.CHANGED, f"type of {what}", *types)
    one, other = array_of(before), array_of(after)
    if {one.dtype.kind, other.dtype.kind} & set("OSUc"):
        if one.tolist() != other.tolist():
            yield Change(layer, Kind.CHANGED, what, f"{one.size} texts", f"{other.size} texts")
        return
    whole = all("int" in kind for kind in types)
    yield from array_changes(layer, what, one, other, 1.0 if whole else None)


def body_changes(
    both: Both, layer: str, before: onnx.GraphProto, after: onnx.GraphProto
) -> Iterator[Change]:
    """The graphs inside of an operator, which also see the tensors around it."""
    first, second = view_of(before), view_of(after)
    inner = Both(first.within(both.first), second.within(both.second), dict(both.same))
    inner.calls_alike(names_of(first.inputs), names_of(second.inputs))
    parts = Part("", "", first.operators), Part("", "", second.operators)
    for change in part_changes(inner, parts[:1], parts[1:]):
        yield replace(change, layer=layer)
    yield from end_changes(inner, layer, "result of a body")


def end_changes(both: Both, layer: str, what: str) -> Iterator[Change]:
    """Outputs that other operators return than did."""
    names = names_of(both.first.graph.output), names_of(both.second.graph.output)
    before, after = both.own(names[0]), both.called(names[1])
    if len(before) != len(after):
        counts = str(len(before)), str(len(after))
        yield Change(layer, Kind.CHANGED, f"number of each {what}", *counts)
    for number, (one, other) in enumerate(zip(before, after, strict=False)):
        if one != other:
            yield Change(layer, Kind.CHANGED, f"{what} {number}", one, other)
        elif one == _CONSTANT:
            before_one = both.first.constants[names[0][number]]
            after_one = both.second.constants[names[1][number]]
            yield from constant_changes(layer, f"{what} {number}", before_one, after_one)


def names_of(values: Iterable[onnx.ValueInfoProto]) -> list[str]:
    """The tensors."""
    return [value.name for value in values]
