"""``Bidirectional``: a recurrent layer over a sequence, and another one over its reverse."""

from dataclasses import replace
from typing import Final

from qconvert.frontend.assembly import Assembly
from qconvert.frontend.call import Call, Parsed
from qconvert.frontend.config import Config
from qconvert.frontend.layers.recurrent import (
    KINDS,
    Loop,
    Sequences,
    add_loop,
    loop_weights,
    read_loop,
    sequence_and_states,
)
from qconvert.frontend.problems import Malformed, Unsupported, short
from qconvert.ir.graph import Weight
from qconvert.ir.ops import Concat, Merge, Op, Slice

_REVERSED: Final = Slice((None, None), (None, None), (-1, 1))


def bidirectional(call: Call) -> Parsed:
    """``Bidirectional`` and ``QBidirectional``."""
    forward, backward = _directions(call.config)
    merge = _merge(call.config, rank=3 if forward.sequences else 2)
    call.config.done()
    halves = call.weights.split(len(backward.roles))
    count = len(forward.cell.states) + len(backward.cell.states)
    shapes = sequence_and_states(call, count, stateful=forward.stateful)
    weights = [
        loop_weights(loop, half, shapes[0])
        for loop, half in zip((forward, backward), halves, strict=True)
    ]
    kept = forward.kept("forward_") | backward.kept("backward_")
    whole = Assembly.of(shapes, call.masks, kept)
    sequence, *first = whole.inputs[: len(shapes)]
    first, mask = first or list(kept), whole.mask(0)
    over, at = Sequences(sequence, mask), len(forward.kept()) if kept else len(first) // 2
    there = add_loop(whole, forward, weights[0], over, first[:at])
    back = add_loop(whole, backward, weights[1], over, first[at:])
    if backward.sequences:
        back[0] = whole.add(_REVERSED, back[0])
    outputs = [whole.add(merge, there[0], back[0])] if merge else [there[0], back[0]]
    states = [*there[1:], *back[1:]]
    results = [*outputs, *states * forward.states, *states * forward.stateful]
    masks = dict.fromkeys(range(len(outputs)), mask) if mask and forward.sequences else {}
    graph = whole.graph("layer", results)
    return Parsed(weights=_named(weights), graph=graph, masks=masks, states=tuple(kept))


def _directions(c: Config) -> tuple[Loop, Loop]:
    """Both layers; the second is the first one in the other direction, unless it is given."""
    c.expect("num_constants", None, 0)
    entry, other = c.raw("layer"), c.raw("backward_layer")
    forward = _loop(c, entry)
    if other is None:
        return forward, replace(forward, reverse=not forward.reverse)
    backward = _loop(c, other)
    if forward.reverse == backward.reverse:
        c.reject("both layers have the same direction")
    for option in ("sequences", "states"):
        if getattr(forward, option) != getattr(backward, option):
            c.reject(f"only one of both layers returns {option}")
    if forward.stateful != backward.stateful:
        c.reject("only one of both layers is stateful")
    if _trainable(entry) != _trainable(other):
        c.refuse("one trainable layer and one that is not, whose weights are in another order")
    return forward, backward


def _loop(c: Config, entry: object) -> Loop:
    match entry:
        case {"class_name": str(name), "config": dict(config)}:
            class_name = name.removeprefix("qkeras>")
            if class_name not in KINDS:
                raise Unsupported(f"Bidirectional around {class_name}", code="QC329")
            loop = read_loop(class_name, c.inside(config))
            # Whatever the layer says: ``force_zero_output_for_mask``.
            return replace(loop, zero=loop.sequences)
        case _:
            raise Malformed(f"layer={short(entry)} is not a layer")


def _trainable(entry: object) -> bool:
    match entry:
        case {"config": {"trainable": False}}:
            return False
        case _:
            return True


def _merge(c: Config, rank: int) -> Op | None:
    mode = c.raw("merge_mode", "concat")
    match mode:
        case "concat":
            return Concat(rank - 1)
        case "sum":
            return Merge("add")
        case "mul":
            return Merge("multiply")
        case "ave":
            return Merge("average")
        case None:
            return None
        case _:
            c.reject(f"merge_mode={short(mode)} is not a way to merge")
            return None


def _named(weights: list[dict[str, Weight]]) -> dict[str, Weight]:
    forward, backward = weights
    return {f"forward_{role}": w for role, w in forward.items()} | {
        f"backward_{role}": w for role, w in backward.items()
    }
