"""What recurrent layers compute in one step, as graphs from features and states to new states."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias, assert_never

import numpy as np

from qconvert.frontend.assembly import Assembly
from qconvert.ir.graph import Graph
from qconvert.ir.ops import Dense, Merge, Op, Slice
from qconvert.ir.stock import Where, WithConstant
from qconvert.ir.types import F32

Kind: TypeAlias = Literal["simple", "lstm", "gru"]

_ONE = np.ones(1, np.float32)


class Output(Enum):
    """What a layer returns for a step that its mask leaves out: ``keras.backend.rnn``."""

    #: That is what the state starts as, too, where nobody says.
    STATE = "its state, which stays as it is"
    LAST = "what it returned before, and 0 at first, whatever its state is"
    ZERO = "0"


@dataclass(frozen=True, slots=True)
class Cell:
    """The options of a cell; ``state`` is applied to the states before they are used.

    ``bias_last``: an LSTM adds its bias to the sum of both products, not to the first.
    ``reset_after``: a GRU resets the product of its state, not the state.
    """

    kind: Kind
    units: int
    use_bias: bool
    activation: tuple[Op, ...]
    gate: tuple[Op, ...] = ()
    state: tuple[Op, ...] = ()
    bias_last: bool = False
    reset_after: bool = False

    @property
    def states(self) -> tuple[str, ...]:
        """What the cell hands from step to step; its output comes first."""
        return ("h", "c") if self.kind == "lstm" else ("h",)

    @property
    def columns(self) -> int:
        """The width of its kernels: gates, and what they act on."""
        return self.units * {"simple": 1, "lstm": 4, "gru": 3}[self.kind]

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """One bias, or one for each of both products."""
        return (2, self.columns) if self.reset_after else (self.columns,)


def body(
    cell: Cell, weights: Mapping[str, F32], features: int, masked: Output | None = None
) -> Graph:
    """One step; *weights* are effective. With *masked* there is a mask, and that is its output.

    The new states come first, and then the output if it is none of them.
    """
    states = dict.fromkeys(cell.states, (None, cell.units))
    if masked is None:
        step = Assembly({"x": (None, features)} | states)
        return step.graph("step", _results(cell, weights, step))
    output = {} if masked is Output.STATE else {"y": (None, cell.units)}
    step = Assembly({"x": (None, features), "mask": (None, 1)} | states | output)
    new = _results(cell, weights, step)
    kept = [step.add(Where(), "mask", *both) for both in zip(new, cell.states, strict=True)]
    match masked:
        case Output.STATE:
            pass
        case Output.LAST:
            kept.append(step.add(Where(), "mask", new[0], "y"))
        case Output.ZERO:
            kept.append(step.add(Where(), "mask", new[0]))
        case _:
            assert_never(masked)
    return step.graph("step", kept)


def _results(cell: Cell, weights: Mapping[str, F32], step: Assembly) -> list[str]:
    """The new states, the output first."""
    states = [step.chain(cell.state, state) for state in cell.states]
    match cell.kind:
        case "simple":
            return [_simple(cell, weights, step, states[0])]
        case "lstm":
            return _lstm(cell, weights, step, states[0], states[1])
        case "gru":
            return [_gru(cell, weights, step, states[0])]
        case _:
            assert_never(cell.kind)


def _simple(cell: Cell, weights: Mapping[str, F32], step: Assembly, h: str) -> str:
    """``QSimpleRNNCell.call``."""
    new = step.add(Dense(weights["kernel"], weights.get("bias")), "x")
    old = step.add(Dense(weights["recurrent_kernel"], None), h)
    return step.chain(cell.activation, step.add(Merge("add"), new, old))


def _lstm(cell: Cell, weights: Mapping[str, F32], step: Assembly, h: str, c: str) -> list[str]:
    """``QLSTMCell.call``, ``LSTMCell.call`` and ``standard_lstm``."""
    bias = weights.get("bias")
    new = step.add(Dense(weights["kernel"], None if cell.bias_last else bias), "x")
    z = step.add(Merge("add"), new, step.add(Dense(weights["recurrent_kernel"], None), h))
    if cell.bias_last and bias is not None:
        z = step.add(WithConstant("add", bias), z)
    i, f, o = (step.chain((_part(cell, n), *cell.gate), z) for n in (0, 1, 3))
    candidate = step.chain((_part(cell, 2), *cell.activation), z)
    kept, added = step.add(Merge("multiply"), f, c), step.add(Merge("multiply"), i, candidate)
    carry = step.add(Merge("add"), kept, added)
    return [step.add(Merge("multiply"), o, step.chain(cell.activation, carry)), carry]


def _gru(cell: Cell, weights: Mapping[str, F32], step: Assembly, h: str) -> str:
    """``QGRUCell.call``, ``GRUCell.call`` and ``standard_gru``."""
    recurrent, bias = weights["recurrent_kernel"], weights.get("bias")
    new_bias, old_bias = bias, None
    if cell.reset_after and bias is not None:
        new_bias, old_bias = bias
    at = 2 * cell.units
    new = step.add(Dense(weights["kernel"], new_bias), "x")
    old = step.add(Dense(recurrent if cell.reset_after else recurrent[:, :at], old_bias), h)
    z, r = (step.chain(cell.gate, _sum_of_parts(cell, step, n, new, old)) for n in (0, 1))
    if cell.reset_after:
        reset = step.add(Merge("multiply"), r, step.add(_part(cell, 2), old))
    else:
        reset = step.add(Dense(recurrent[:, at:], None), step.add(Merge("multiply"), r, h))
    candidate = step.add(Merge("add"), step.add(_part(cell, 2), new), reset)
    return _mixed(step, z, h, step.chain(cell.activation, candidate))


def _mixed(step: Assembly, z: str, h: str, candidate: str) -> str:
    """``z * h + (1 - z) * candidate``."""
    rest = step.add(WithConstant("subtract", _ONE, first=True), z)
    kept = step.add(Merge("multiply"), z, h)
    return step.add(Merge("add"), kept, step.add(Merge("multiply"), rest, candidate))


def _sum_of_parts(cell: Cell, step: Assembly, number: int, new: str, old: str) -> str:
    part = _part(cell, number)
    return step.add(Merge("add"), step.add(part, new), step.add(part, old))


def _part(cell: Cell, number: int) -> Slice:
    """The columns of one gate."""
    return Slice((number * cell.units,), ((number + 1) * cell.units,), (1,))
