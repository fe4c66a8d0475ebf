"""Attention without masks: ``Attention``, ``AdditiveAttention``, ``MultiHeadAttention``."""

import math
from dataclasses import dataclass

import numpy as np

from qconvert.frontend.assembly import Assembly
from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.heads import ROLES, ROLES_IN_ARCHIVES
from qconvert.frontend.problems import Malformed, Unsupported, short
from qconvert.frontend.references import ARGUMENT
from qconvert.frontend.weights import expect_shape, weight
from qconvert.ir.graph import Weight
from qconvert.ir.ops import (
    Dense,
    Elementwise,
    Function,
    Merge,
    Op,
    Reduce,
    Reshape,
    Scale,
    Softmax,
    Transpose,
)
from qconvert.ir.shapes import Shape
from qconvert.ir.stock import MatMul, WithConstant
from qconvert.ir.types import F32

_TANH = Elementwise(Function.TANH)
_SUM = Reduce("sum", (3,), False)
_HEADS_FIRST = (0, 2, 1, 3)
#: What arguments behind the query are, where they go without a name.
_POSITIONS = {f"{ARGUMENT}1": "value", f"{ARGUMENT}2": "key"}


def attention(call: Call) -> Parsed:
    """``Attention``: scores by products, or by ``tanh`` of sums (``score_mode='concat'``)."""
    c = call.config
    scaled = c.flag("use_scale", default=False)
    mode = c.choice("score_mode", "dot", "concat", default="dot")
    _read_dense_attention(call)
    roles = ("scale",) * scaled + ("concat_score_weight",) * (mode == "concat")
    raw = call.weights.take(*roles) if roles else {}
    for role, array in raw.items():
        expect_shape(role, array, ())
    w, query, value, key = _query_value_key(call)
    scale = tuple(Scale(float(raw["scale"])) for _ in range(scaled))
    if mode == "dot":
        scores = w.chain(scale, w.add(MatMul(), query, w.add(Transpose((0, 2, 1)), key)))
    else:
        pairs = _pairwise(w, call.known_shapes(), query, key)
        total = w.chain((*scale, _TANH, _SUM), pairs)
        scores = w.add(Scale(float(raw["concat_score_weight"])), total)
    return _applied(w, scores, value, {role: weight(array, None) for role, array in raw.items()})


def additive_attention(call: Call) -> Parsed:
    """``AdditiveAttention``: scores by a weighted sum of ``tanh(query + key)``."""
    scaled = call.config.flag("use_scale", default=True)
    _read_dense_attention(call)
    raw = call.weights.take("scale") if scaled else {}
    w, query, value, key = _query_value_key(call)
    shapes = call.known_shapes()
    if scaled:
        expect_shape("scale", raw["scale"], (-1 if shapes[1][-1] is None else shapes[1][-1],))
    scale = tuple(WithConstant("multiply", array.reshape(1, 1, -1)) for array in raw.values())
    pairs = _pairwise(w, shapes, query, key)
    scores = w.chain((_TANH, *scale, _SUM), pairs)
    return _applied(w, scores, value, {role: weight(array, None) for role, array in raw.items()})


def _read_dense_attention(call: Call) -> None:
    call.config.ignore("dropout", "seed")
    if call.config.flag("causal", default=False):
        call.config.refuse("causal=True: attention with a mask is not supported natively", "QC325")
    call.config.done()
    _read_arguments(call.arguments)


def _read_arguments(arguments: Config) -> None:
    for option in ("training", "return_attention_scores"):
        arguments.expect(option, False, None)
    if arguments.raw("use_causal_mask") not in (False, None):
        arguments.refuse(
            "use_causal_mask=True: attention with a mask is not supported natively", "QC325"
        )
    for option in ("attention_mask", "key_mask", "mask", "query_mask", "value_mask"):
        arguments.expect(option, None)
    arguments.done()


def _query_value_key(call: Call) -> tuple[Assembly, str, str, str]:
    """A key that is not given is the value."""
    shapes = call.known_shapes()
    if len(shapes) not in (2, 3):
        raise Malformed(f"{call.class_name} takes 2 or 3 inputs, not {len(shapes)}", "QC315")
    _require_sequences(shapes)
    whole = Assembly.of(shapes)
    return whole, whole.inputs[0], whole.inputs[1], whole.inputs[-1]


def _require_sequences(shapes: tuple[Shape, ...]) -> None:
    for shape in shapes:
        if len(shape) != 3:
            raise Unsupported(f"attention on {shape}: only (batch, time, channels)")


def _pairwise(w: Assembly, shapes: tuple[Shape, ...], query: str, key: str) -> str:
    """``query[:, :, None] + key[:, None]``."""
    tall, wide = ([-1 if n is None else n for n in shapes[i][1:]] for i in (0, -1))
    if -1 in (tall[1], wide[1]):
        raise Malformed("the number of channels of the input is not known", "QC318")
    first = w.add(Reshape((tall[0], 1, tall[1])), query)
    return w.add(Merge("add"), first, w.add(Reshape((1, *wide)), key))


def _applied(w: Assembly, scores: str, value: str, weights: dict[str, Weight]) -> Parsed:
    result = w.add(MatMul(), w.add(Softmax(axis=2), scores), value)
    return Parsed(weights=weights, graph=w.graph("layer", [result]))


def multi_head_attention(call: Call) -> Parsed:
    """``MultiHeadAttention`` over the second of three axes."""
    heads = _read_heads(call)
    places = _places(call)
    stored = call.weights.take_all(*("kernel", "bias")[: 1 + heads.use_bias] * 4)
    shapes = call.known_shapes()
    _require_sequences(shapes)
    inputs = {role: shapes[at][-1] or -1 for role, at in places.items()}
    outputs = _output_width(heads.output_shape, inputs["query"])
    order = ROLES if call.weights.named else ROLES_IN_ARCHIVES
    projections = _projections(order, stored, heads.use_bias)
    n = heads.number
    for role, size in heads.sizes.items():
        _expect(role, projections[role], (inputs[role], n, size), (n, size))
    value_width, output = heads.sizes["value"], "attention_output"
    _expect(output, projections[output], (n, value_width, outputs), (outputs,))
    w = Assembly.of(shapes)
    at = {role: w.chain(_split(*projections[role]), w.inputs[places[role]]) for role in heads.sizes}
    mixed = _mixed(w, heads, at)
    kernel, bias = projections[output]
    last = Dense(kernel.reshape(-1, outputs), bias)
    result = w.chain((Reshape((_steps(shapes[0]), n * value_width)), last), mixed)
    return Parsed(weights=_named(projections), graph=w.graph("layer", [result]))


@dataclass(frozen=True, slots=True)
class _Heads:
    """What a configuration says; *late* scales the scores in place of the query."""

    number: int
    sizes: dict[str, int]
    use_bias: bool
    output_shape: object
    late: bool


def _read_heads(call: Call) -> _Heads:
    c = call.config
    width = c.integer("key_dim")
    value_width = width if c.raw("value_dim") is None else c.integer("value_dim")
    if (axes := c.raw("attention_axes")) not in (None, 1, [1]):
        c.refuse(f"attention_axes={short(axes)}: only over the second of three axes")
    heads = _Heads(
        number=c.integer("num_heads"),
        sizes={"query": width, "key": width, "value": value_width},
        use_bias=c.flag("use_bias", default=True),
        output_shape=c.raw("output_shape"),
        # The kernel that Keras 3 has for this, without dropout, scales the scores, not the query.
        late=call.flavour.keras3 and c.number("dropout", default=0.0) == 0,
    )
    c.ignore("dropout", "seed")
    c.ignore("query_shape", "key_shape", "value_shape", "softmax_robust_masking")
    c.expect("sliding_window", None)
    c.expect("use_gate", False)
    c.done()
    return heads


def _places(call: Call) -> dict[str, int]:
    """Which input is the query, the key, the value; a key that is not given is the value."""
    roles = tuple(_POSITIONS.get(role, role) for role in call.arguments.references())
    if "key" not in roles:
        call.arguments.expect("key", None)
    _read_arguments(call.arguments)
    if sorted(roles) not in (["value"], ["key", "value"]):
        raise Unsupported(f"called with the tensors {', '.join(roles) or 'none'} beside the query")
    places = {"query": 0, **{role: i for i, role in enumerate(roles, 1)}}
    return {"key": places["value"], **places}


def _mixed(w: Assembly, heads: _Heads, at: dict[str, str]) -> str:
    """Values mixed by the softmax of scores: (batch, time, heads, width)."""
    scale = (_root_scale(heads.sizes["query"]),)
    query = w.chain((*(() if heads.late else scale), Transpose(_HEADS_FIRST)), at["query"])
    key = w.add(Transpose((0, 2, 3, 1)), at["key"])
    value = w.add(Transpose(_HEADS_FIRST), at["value"])
    products = w.add(MatMul(), query, key)
    scores = w.chain((*(scale if heads.late else ()), Softmax(axis=3)), products)
    return w.add(Transpose(_HEADS_FIRST), w.add(MatMul(), scores, value))


_Projection = tuple[F32, F32 | None]


def _projections(
    roles: tuple[str, ...], stored: tuple[F32, ...], use_bias: bool
) -> dict[str, _Projection]:
    if not use_bias:
        return {role: (kernel, None) for role, kernel in zip(roles, stored, strict=True)}
    return dict(zip(roles, zip(stored[::2], stored[1::2], strict=True), strict=True))


def _expect(
    role: str, projection: _Projection, kernel: tuple[int, ...], bias: tuple[int, ...]
) -> None:
    expect_shape(f"{role}/kernel", projection[0], kernel)
    if projection[1] is not None:
        expect_shape(f"{role}/bias", projection[1], bias)


def _output_width(given: object, default: int) -> int:
    match given:
        case None:
            return default
        case int() | [int()]:
            return given if isinstance(given, int) else given[0]
        case _:
            raise Unsupported(f"output_shape={short(given)}: only one axis")


def _split(kernel: F32, bias: F32 | None) -> tuple[Op, ...]:
    """A dense layer whose outputs are heads: (batch, time, heads, width)."""
    inputs, heads, width = kernel.shape
    flat = None if bias is None else bias.reshape(-1)
    return (Dense(kernel.reshape(inputs, heads * width), flat), Reshape((-1, heads, width)))


def _root_scale(width: int) -> Scale:
    return Scale(float(np.float32(1.0 / math.sqrt(width))))


def _steps(shape: Shape) -> int:
    return -1 if shape[1] is None else shape[1]


def _named(projections: dict[str, _Projection]) -> dict[str, Weight]:
    return {
        f"{role}/{name}": weight(array, None)
        for role, arrays in projections.items()
        for name, array in zip(("kernel", "bias"), arrays, strict=True)
        if array is not None
    }
