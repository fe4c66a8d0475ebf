"""From one element of a layer's result back to what the layer reads, operation by operation."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import assert_never

from qconvert.exactness import Analysis, Certificate, Doubt, Reach
from qconvert.exactness.certificate import Argument
from qconvert.explaining.operands import Operand
from qconvert.explaining.results import (
    Applied,
    Arithmetic,
    Choice,
    Element,
    Index,
    Loop,
    Reason,
    Rounded,
    Step,
    Sum,
    Taken,
    Term,
    Unknown,
)
from qconvert.explaining.rules import Case, reason
from qconvert.explaining.sums import Proof
from qconvert.ir import F32, Graph, Node, Weight
from qconvert.ir.ops import Recurrence
from qconvert.reference import evaluate
from qconvert.reference.evaluate import first_states


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """A graph with all of its values, and where to stop: at ``known`` ones.

    ``sample`` is the one of the batch that is looked at, ``samples`` how many there are.
    """

    graph: Graph
    values: Mapping[str, F32]
    known: Set[str]
    weights: Mapping[str, Weight]
    analysis: Analysis
    sample: int
    samples: int

    def operand(self, name: str) -> Operand:
        """A value of the graph."""
        reach = self.analysis.values.get(name)
        found = reach if isinstance(reach, Reach) else None
        return Operand(name, self.values[name], self.samples, found)

    def proof(self, name: str) -> Proof:
        """Why no order of additions can round, or why that is not known."""
        match self.analysis.certificates.get(name):
            case Certificate(argument=Argument.EXACT as argument, bits=bits):
                taken = "" if bits is None else f"; it takes {bits} of 24 bits"
                return Proof(f"{argument.value}{taken}")
            case Doubt(reason=reason):
                return Proof(doubt=reason)
            case _:
                return Proof()


def followed(scope: Scope, value: str, index: Index) -> tuple[Step, ...]:
    """The operations that compute an element, in order; *index* has the batch.

    Each explains one element. Of long sums and windows the largest product, or what is chosen,
    is followed; of everything else all operands are.
    """
    nodes = {node.name: node for node in scope.graph.nodes if node.name not in scope.known}
    order = {name: number for number, name in enumerate(nodes)}
    pending, steps = [(value, index)], dict[tuple[str, Index], Step]()
    while pending:
        key = name, at = pending.pop()
        if name not in nodes or key in steps:
            continue
        steps[key] = step = _step(scope, nodes[name], at)
        for element in _behind(step.reason):
            place = scope.operand(element.value).stored(element.index, scope.sample)
            pending.append((element.value, place))
    return tuple(steps[key] for key in sorted(steps, key=lambda key: (order[key[0]], key[1])))


def _step(scope: Scope, node: Node, index: Index) -> Step:
    inputs = [scope.operand(name) for name in node.inputs]
    value = scope.values[node.name]
    if isinstance(node.op, Recurrence):
        found: Reason = _loop(scope, node.op, inputs, index)
    else:
        case = Case(inputs, value, index, scope.weights, scope.proof(node.name))
        found = reason(node.op, case)
    return Step(type(node.op).__name__, scope.operand(node.name).at(index), found)


def _behind(why: Reason) -> tuple[Element, ...]:
    """The elements that are explained, too, if the layer computes them."""
    match why:
        case Sum(terms=terms):
            return _of_largest(terms)
        case Arithmetic(start=start, operations=operations):
            numbers = (start, *(each.source for each in operations))
            return tuple(each for each in numbers if isinstance(each, Element))
        case Choice(candidates=candidates, winner=winner):
            return (candidates[winner],)
        case Taken(source=source, by=by):
            return tuple(each for each in (source, by) if isinstance(each, Element))
        case Rounded(before=before):
            return (before,)
        case Applied(of=of):
            return of
        case Loop() | Unknown():
            return ()
        case _:
            assert_never(why)


def _of_largest(terms: tuple[Term, ...]) -> tuple[Element, ...]:
    inside = [term for term in terms if not term.x.padding]
    if not inside:
        return ()
    largest = max(inside, key=lambda term: abs(term.product))
    factor = largest.factor
    return (largest.x, factor) if isinstance(factor, Element) else (largest.x,)


def _loop(scope: Scope, op: Recurrence, inputs: list[Operand], index: Index) -> Loop:
    """One step of a recurrent layer: *index* is (sample, step, column of all states)."""
    sample, step, column = index
    count = inputs[0].array.shape[1]
    times = range(count)[:: -1 if op.reverse else 1]
    values = _values_of_step(op, inputs, times[: step + 1], scope.samples)
    names = [source.name for source in op.body.inputs]
    body = Scope(
        op.body, values, frozenset(names), scope.weights, Analysis(), scope.sample, scope.samples
    )
    after = {n: out.value for n, out in zip(names[op.sequences :], op.body.outputs, strict=True)}
    state = next(iter(after))
    for state in after:
        if column < values[state].shape[1]:
            break
        column -= values[state].shape[1]
    place = (sample, column)
    own = [name for name in after if column < values[name].shape[1]]
    return Loop(
        step,
        count,
        times[step],
        tuple(body.operand(name).at(place) for name in own),
        tuple(replace(body.operand(after[name]).at(place), value=name) for name in own),
        followed(body, after[state], place),
    )


def _values_of_step(
    op: Recurrence, inputs: list[Operand], times: Sequence[int], samples: int
) -> dict[str, F32]:
    """Every value of the body in the last of the steps that read *times*."""
    sequences, given = inputs[: op.sequences], inputs[op.sequences :]
    names = [source.name for source in op.body.inputs]
    states = first_states(op, [x.array for x in given], samples)
    values: dict[str, F32] = {}
    for time in times:
        features = [x.array[:, time] for x in sequences]
        values = evaluate(op.body, dict(zip(names, [*features, *states], strict=True)))
        states = [values[output.value] for output in op.body.outputs]
    return values
