"""Recurrent layers: a cell, run over time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from qconvert.frontend.assembly import Assembly
from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.flavour import Flavour
from qconvert.frontend.layers.recurrent_cells import Cell, Kind, body
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
    #: Whether the layer confuses its kernels where it does not quantize the recurrent one.
    confused: bool = False

    @property
    def roles(self) -> tuple[str, ...]:
        """Its variables in Keras's order."""
        return ("kernel", "recurrent_kernel", "bias")[: 2 + self.cell.use_bias]


def recurrent(call: Call) -> Parsed:
    """``SimpleRNN``, ``LSTM``, ``GRU``, and QKeras's of them."""
    loop = read_loop(call.class_name, call.config)
    shapes = sequence_and_states(call, len(loop.cell.states))
    weights = loop_weights(loop, call.weights, shapes[0])
    whole = Assembly.of(shapes)
    results = add_loop(whole, loop, weights, *whole.inputs)
    return Parsed(weights=weights, graph=whole.graph("layer", results))


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
        confused=class_name == "QGRU" and c.flavour is not Flavour.V3,
    )
    if class_name == "QLSTM" and not cell.use_bias and loop.quantizers["bias"]:
        c.refuse("a bias_quantizer without use_bias, which QKeras 0.9.0 cannot run")
    if loop.confused and loop.quantizers["recurrent_kernel"] is None:
        c.note(
            "without a recurrent_quantizer QKeras multiplies the state by the kernel, in place of"
            " the recurrent kernel"
        )
    _refuse_the_rest(c)
    c.done()
    return loop


def _bias_last(c: Config, cell: Cell, qkeras: bool) -> bool:
    """Which of its programs an LSTM runs: implementation 2 adds the bias at last.

    ``standard_lstm``, which does so too, runs in place of a stock cell with the usual options.
    """
    usual = (Elementwise(Function.TANH),), (Elementwise(Function.SIGMOID),)
    dropout = c.number("recurrent_dropout", default=0.0)
    unrolled = c.flag("unroll", default=False)
    implementation = c.integer("implementation", minimum=0, default=1 if qkeras else 2)
    standard = not qkeras and cell.use_bias and not unrolled
    standard = standard and (cell.activation, cell.gate) == usual
    # A cell with recurrent dropout always runs its implementation 1.
    return dropout == 0 and (standard or implementation == 2)


def _refuse_the_rest(c: Config) -> None:
    if c.flag("stateful", default=False):
        c.refuse(
            "stateful=True: a result depends on the batches before it, which an ONNX model does"
            " not see (give the states as inputs instead: initial_state and return_state)"
        )
    if c.flag("time_major", default=False):
        c.refuse("time_major=True: the batch is not the first axis")
    c.expect("num_constants", None, 0)
    c.ignore("dropout", "recurrent_dropout", "implementation", "unroll")
    c.ignore("enable_caching_device", "zero_output_for_mask")


def sequence_and_states(call: Call, count: int) -> tuple[Shape, ...]:
    """The shapes of a sequence and of *count* first states, or of none."""
    shapes = call.known_shapes()
    if len(shapes) not in (1, 1 + count):
        raise Malformed(f"{call.class_name} takes 1 or {1 + count} inputs, not {len(shapes)}")
    if len(shapes[0]) != 3:
        raise Malformed(f"{call.class_name} takes 3 axes, its input has shape {shapes[0]}")
    if shapes[0][2] is None:
        raise Unsupported("the number of features of the input is not known")
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


def add_loop(
    whole: Assembly, loop: Loop, weights: Mapping[str, Weight], sequence: str, *first: str
) -> list[str]:
    """Add the loop to a graph; its output, and its last states if it returns them."""
    features = weights["kernel"].effective.shape[0]
    step = body(loop.cell, {role: w.effective for role, w in weights.items()}, features)
    after = whole.add(Recurrence(step, loop.reverse), sequence, *first)
    units = loop.cell.units
    last = [_last(units, i) for i in range(len(loop.cell.states))]
    if loop.sequences:
        output = after if len(last) == 1 else whole.add(_all(units), after)
    else:
        output = whole.add(last[0], after)
    return [output, *(whole.add(op, after) for op in last if loop.states)]


def _all(units: int) -> Op:
    """The first state after every step."""
    return Slice((None, None), (None, units), (1, 1))


def _last(units: int, number: int) -> Op:
    """One of the states after the last step."""
    begin, end = (-1, number * units), (None, (number + 1) * units)
    return Slice(begin, end, (1, 1), squeeze=(1,))
