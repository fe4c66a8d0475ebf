"""Recurrent layers: a cell, run over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from qconvert.frontend.assembly import Assembly
from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.flavour import Flavour
from qconvert.frontend.layers.recurrent_cells import Cell, Kind, Output, body
from qconvert.frontend.problems import Malformed, Unsupported
from qconvert.frontend.weights import Weights, expect_shape, weight
from qconvert.ir.graph import Weight
from qconvert.ir.ops import Elementwise, Function, Op, Recurrence, Slice
from qconvert.ir.quantizers import Quantizer
from qconvert.ir.shapes import Shape

KINDS: Final[Mapping[str, Kind]] = {
    "GRU": "gru",
    "LSTM": "lstm",
    "QGRU": "gru",
    "QLSTM": "lstm",
    "QSimpleRNN": "simple",
    "SimpleRNN": "simple",
}


@dataclass(frozen=True, slots=True)
class Loop:
    """The options of one recurrent layer."""

    class_name: str
    cell: Cell
    quantizers: Mapping[str, Quantizer | None]
    sequences: bool
    states: bool
    reverse: bool
    #: Whether it goes on from its last states when it is called again.
    stateful: bool
    unrolled: bool
    #: Whether steps without the mask give 0.
    zero: bool
    #: Whether the layer confuses its kernels where it does not quantize the recurrent one.
    confused: bool = False

    @property
    def roles(self) -> tuple[str, ...]:
        """Its variables in Keras's order."""
        return ("kernel", "recurrent_kernel", "bias")[: 2 + self.cell.use_bias]

    def kept(self, way: str = "") -> dict[str, Shape]:
        """The states that it keeps from call to call, with their shapes."""
        names = self.cell.states if self.stateful else ()
        return {f"{way}state_{name}": (None, self.cell.units) for name in names}


def recurrent(call: Call) -> Parsed:
    """``SimpleRNN``, ``LSTM``, ``GRU``, and QKeras's of them."""
    loop = read_loop(call.class_name, call.config)
    shapes = sequence_and_states(call, len(loop.cell.states), stateful=loop.stateful)
    weights = loop_weights(loop, call.weights, shapes[0])
    kept = loop.kept()
    whole = Assembly.of(shapes, call.masks, kept)
    sequence, *first = whole.inputs[: len(shapes)]
    over = Sequences(sequence, whole.mask(0))
    output, *states = add_loop(whole, loop, weights, over, first or list(kept))
    return Parsed(
        weights=weights,
        graph=whole.graph("layer", [output, *states * loop.states, *states * loop.stateful]),
        masks={0: over.mask} if over.mask and loop.sequences else {},
        states=tuple(kept),
    )


def read_loop(class_name: str, c: Config) -> Loop:
    """Everything that a configuration says."""
    kind, qkeras = KINDS[class_name], class_name.startswith("Q")
    cell = Cell(
        kind,
        units=c.integer("units"),
        use_bias=c.flag("use_bias"),
        activation=c.activation("activation", qkeras=qkeras, rank=2),
        state=c.activation("state_quantizer", qkeras=True, rank=2),
    )
    if kind != "simple":
        cell = replace(cell, gate=c.activation("recurrent_activation", qkeras=qkeras, rank=2))
    if kind == "lstm":
        c.ignore("unit_forget_bias")
    if kind == "gru":
        cell = replace(cell, reset_after=c.flag("reset_after", default=False))
    loop = Loop(
        class_name,
        replace(cell, bias_last=kind == "lstm" and _bias_last(c, cell, qkeras)),
        quantizers={
            "kernel": c.quantizer("kernel_quantizer", "kernel"),
            "recurrent_kernel": c.quantizer("recurrent_quantizer", "kernel"),
            "bias": c.quantizer("bias_quantizer", "other"),
        },
        sequences=c.flag("return_sequences", default=False),
        states=c.flag("return_state", default=False),
        reverse=c.flag("go_backwards", default=False),
        stateful=c.flag("stateful", default=False),
        unrolled=c.flag("unroll", default=False),
        zero=c.flag("zero_output_for_mask", default=False),
        confused=class_name == "QGRU" and c.flavour is not Flavour.V3,
    )
    if class_name == "QLSTM" and not cell.use_bias and loop.quantizers["bias"]:
        c.refuse("a bias_quantizer without use_bias, which QKeras 0.9.0 cannot run")
    if loop.confused and loop.quantizers["recurrent_kernel"] is None:
        c.note(
            "without a recurrent_quantizer QKeras multiplies the state by the kernel, in place of"
            " the recurrent kernel"
        )
    if loop.stateful and c.flavour.keras3:
        c.refuse("stateful=True in a model of Keras 3")
    if c.flag("time_major", default=False):
        c.refuse("time_major=True: the batch is not the first axis")
    c.expect("num_constants", None, 0)
    c.ignore("dropout", "recurrent_dropout", "implementation", "enable_caching_device", "seed")
    if loop.class_name == "QGRU" and c.flavour is Flavour.V3 and not cell.reset_after:
        c.expect("implementation", 0, 1)
    c.done()
    return loop


def _bias_last(c: Config, cell: Cell, qkeras: bool) -> bool:
    """Which of its programs an LSTM runs: implementation 2 adds the bias at last.

    ``standard_lstm`` of Keras 2, which does so too, runs in place of a stock cell with the usual
    options.
    """
    usual = (Elementwise(Function.TANH),), (Elementwise(Function.SIGMOID),)
    dropout = c.number("recurrent_dropout", default=0.0)
    unrolled = c.flag("unroll", default=False)
    implementation = c.integer("implementation", minimum=0, default=1 if qkeras else 2)
    standard = not qkeras and not c.flavour.keras3 and cell.use_bias and not unrolled
    standard = standard and (cell.activation, cell.gate) == usual
    # A cell with recurrent dropout always runs its implementation 1.
    return dropout == 0 and (standard or implementation == 2)


def sequence_and_states(call: Call, count: int, *, stateful: bool) -> tuple[Shape, ...]:
    """The shapes of a sequence and of *count* first states, or of none."""
    shapes = call.known_shapes()
    if stateful and len(shapes) > 1:
        raise Unsupported("stateful=True with initial_state, which counts while its own is 0")
    if len(shapes) not in (1, 1 + count):
        raise Malformed(
            f"{call.class_name} takes 1 or {1 + count} inputs, not {len(shapes)}", "QC315"
        )
    if len(shapes[0]) != 3:
        raise Malformed(f"{call.class_name} takes 3 axes, its input has shape {shapes[0]}", "QC315")
    if shapes[0][2] is None:
        raise Unsupported("the number of features of the input is not known", code="QC318")
    return shapes


def loop_weights(loop: Loop, stored: Weights, shape: Shape) -> dict[str, Weight]:
    """The variables by Keras's names, with what the layer computes with."""
    raw, cell = stored.take(*loop.roles), loop.cell
    features = shape[2]
    assert features is not None
    expect_shape("kernel", raw["kernel"], (features, cell.columns))
    expect_shape("recurrent_kernel", raw["recurrent_kernel"], (cell.units, cell.columns))
    if cell.use_bias:
        expect_shape("bias", raw["bias"], cell.bias_shape)
    weights = {role: weight(raw[role], loop.quantizers[role]) for role in loop.roles}
    if loop.confused and loop.quantizers["recurrent_kernel"] is None:
        weights["recurrent_kernel"] = _kernel_in_its_place(weights, features, cell.units)
    return weights


def _kernel_in_its_place(weights: Mapping[str, Weight], features: int, units: int) -> Weight:
    """Without a quantizer for it ``QGRUCell.call`` of QKeras 0.9.0 uses the wrong variable."""
    if features != units:
        raise Unsupported(
            "no recurrent_quantizer: QKeras 0.9.0 then multiplies the state by the kernel in"
            f" place of the recurrent kernel, which fails for {features} features and"
            f" {units} units"
        )
    return replace(weights["recurrent_kernel"], effective=weights["kernel"].raw)


@dataclass(frozen=True, slots=True)
class Sequences:
    """What a loop runs over: the steps, and which of them count."""

    steps: str
    mask: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (self.steps,) if self.mask is None else (self.steps, self.mask)


def add_loop(
    whole: Assembly,
    loop: Loop,
    weights: Mapping[str, Weight],
    over: Sequences,
    first: Sequence[str],
) -> list[str]:
    """Add the loop to a graph; its output, and its last states if anybody wants them."""
    masked = _masked_output(loop, over, first)
    features = weights["kernel"].effective.shape[0]
    step = body(loop.cell, {role: w.effective for role, w in weights.items()}, features, masked)
    loops = Recurrence(step, loop.reverse, len(over.names))
    after = whole.add(loops, *over.names, *first)
    units, states = loop.cell.units, range(len(loop.cell.states))
    wanted = loop.states or loop.stateful
    at = 0 if masked in (None, Output.STATE) else len(states)
    if not loop.sequences:
        output = whole.add(_last(units, at), after)
    elif len(step.outputs) == 1:
        output = after
    else:
        output = whole.add(_all(units, at), after)
    return [output, *(whole.add(_last(units, i), after) for i in states if wanted)]


def _masked_output(loop: Loop, over: Sequences, first: Sequence[str]) -> Output | None:
    if over.mask is None:
        return None
    if not loop.zero:
        return Output.LAST if first else Output.STATE
    if loop.unrolled and not loop.sequences:
        raise Unsupported(
            "a mask reaches it: unrolled, Keras cannot return 0 for its last step", code="QC325"
        )
    if loop.unrolled and loop.reverse:
        raise Unsupported(
            "a mask reaches it: unrolled, Keras sets steps to 0 in the wrong order", code="QC325"
        )
    return Output.ZERO


def _all(units: int, number: int) -> Op:
    """One of the states after every step."""
    return Slice((None, number * units), (None, (number + 1) * units), (1, 1))


def _last(units: int, number: int) -> Op:
    """One of the states after the last step."""
    begin, end = (-1, number * units), (None, (number + 1) * units)
    return Slice(begin, end, (1, 1), squeeze=(1,))
