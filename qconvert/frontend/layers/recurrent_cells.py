"""What recurrent layers compute in one step, as graphs from features and states to new states."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

import numpy as np

from qconvert.frontend.assembly import Assembly
from qconvert.ir.graph import Graph
from qconvert.ir.ops import Dense, Merge, Op, Slice
from qconvert.ir.stock import WithConstant
from qconvert.ir.types import F32

Kind: TypeAlias = Literal["simple", "lstm", "gru"]

_ONE = np.ones(1, np.float32)


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


def body(cell: Cell, weights: Mapping[str, F32], features: int) -> Graph:
    """One step; *weights* are effective."""
    step = Assembly({"x": (None, features)} | dict.fromkeys(cell.states, (None, cell.units)))
    states = [step.chain(cell.state, state) for state in cell.states]
    match cell.kind:
        case "simple":
            results = [_simple(cell, weights, step, states[0])]
        case "lstm":
            results = _lstm(cell, weights, step, states[0], states[1])
        case "gru":
            results = [_gru(cell, weights, step, states[0])]
        case _:
            assert_never(cell.kind)
    return step.graph("step", results)


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
