"""By how much a file's constants are off those that its model makes, as the file itself says.

A normalization's constants may be moved by so few units in the last place that a program with
them is still a correct one: the reciprocal root is assumed within eight (docs/PROOFS.md).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import onnx

from qconvert.checking.scans.floats import floats_at, positions_of
from qconvert.emit.metadata import content_of
from qconvert.ir import F32

#: What a program multiplies by or adds, one after the other, each with its kind.
Steps: TypeAlias = Sequence[tuple[str, F32]]

#: The key in ``metadata_props``.
KEY: Final = "qconvert.repair"
_SCHEMA: Final = "qconvert.repair/1"
#: Half of what theorem 6 allows: TensorFlow's own constants are a few units off, too.
MOST_ULPS: Final = 4
#: Proven by trying the quantizer, so that it may be anywhere.
THRESHOLD: Final = "threshold"
#: By how much two float32 numbers can be apart.
_DISTANCES: Final = range(-(1 << 32), 1 << 32)


@dataclass(frozen=True, slots=True)
class Move:
    """One number of a file off what its model makes: by ``ulps`` float32 numbers.

    ``step`` of a layer's program computes with it, and ``constant`` is what that does: subtract,
    multiply or add. A `THRESHOLD` of a quantizer has its number for a channel.
    """

    layer: str
    step: int
    constant: str
    channel: int
    ulps: int


@dataclass(frozen=True, slots=True)
class Unrepaired:
    """A channel of a quantizer whose codes no constants in reach make those of TensorFlow.

    They flip in so many ``states``, such as in ``example``: numbers by their names in the graph.
    """

    layer: str
    reason: str
    channel: int
    states: int
    example: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Repair:
    """By how much constants of the file are off those that its model makes, as it tells itself.

    Of a check that is to repair it, ``path`` is the file that was written, if one was.
    """

    moved: tuple[Move, ...] = ()
    unrepaired: tuple[Unrepaired, ...] = ()
    path: str | None = None


NOT_REPAIRED: Final = Repair()


def read_moves(model: onnx.ModelProto) -> tuple[Move, ...]:
    """The moves that the file tells of; none where that is damaged, too far, or told twice."""
    try:
        content = content_of(model, KEY, _SCHEMA)
        moves = () if content is None else tuple(map(_move, content["moved"]))
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return ()
    if len({(x.layer, x.step, x.constant, x.channel) for x in moves}) < len(moves):
        # Together they could go as far as they like.
        return ()
    return tuple(x for x in moves if abs(x.ulps) <= MOST_ULPS or x.constant == THRESHOLD)


def write_moves(model: onnx.ModelProto, moves: Iterable[Move]) -> None:
    """Have the file tell of *moves*, and of no others."""
    kept = [entry for entry in model.metadata_props if entry.key != KEY]
    moved = [asdict(move) for move in moves]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    if moved:
        text = json.dumps({"schema": _SCHEMA, "moved": moved}, separators=(",", ":"))
        model.metadata_props.add(key=KEY, value=text)


def with_moves(layer: str, steps: Steps, moves: Iterable[Move]) -> list[tuple[str, F32]]:
    """The constants of *layer* with its moves."""
    arrays = [array.copy() for _, array in steps]
    for move in moves:
        if (
            move.layer == layer
            and move.step < len(arrays)
            and move.constant == steps[move.step][0]
            and move.channel < arrays[move.step].size
        ):
            array, at = arrays[move.step], slice(move.channel, move.channel + 1)
            array[at] = floats_at(positions_of(array[at]) + move.ulps)
    return [(kind, array) for (kind, _), array in zip(steps, arrays, strict=True)]


def _move(entry: dict[str, Any]) -> Move:
    step, channel, ulps = (int(entry[name]) for name in ("step", "channel", "ulps"))
    if step < 0 or channel < 0 or ulps not in _DISTANCES:
        raise ValueError("a place or a distance that does not exist")
    return Move(str(entry["layer"]), step, str(entry["constant"]), channel, ulps)


def moves_between(layer: str, steps: Steps, found: Sequence[F32]) -> list[Move]:
    """What brings the constants of *steps* to those that were *found*."""
    return [
        Move(layer, step, kind, int(channel), int(distance))
        for step, ((kind, array), other) in enumerate(zip(steps, found, strict=True))
        for channel, distance in enumerate(positions_of(other) - positions_of(array))
        if distance
    ]
