"""Operations that stock Keras layers need beyond those of QKeras's: a part of the union `Op`.

Arrays that are combined with a tensor elementwise have all of its axes but the batch, of length
1 where they broadcast.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from qconvert.ir.types import F32


@dataclass(frozen=True, slots=True, eq=False)
class WithConstant:
    """``x <kind> constant`` for every element, or ``constant <kind> x`` if ``first``."""

    kind: Literal["add", "subtract", "multiply", "divide", "maximum", "minimum"]
    constant: F32
    first: bool = False


@dataclass(frozen=True, slots=True)
class Divide:
    """The first tensor divided by the second, elementwise, with broadcasting."""


@dataclass(frozen=True, slots=True, eq=False)
class PRelu:
    """``x`` above 0, ``slope * x`` below."""

    slope: F32


@dataclass(frozen=True, slots=True)
class Power:
    """``tf.math.pow`` with one exponent, within some units in the last place."""

    exponent: float


@dataclass(frozen=True, slots=True)
class MatMul:
    """Matrix products over the last two axes; all axes before are the same in both tensors."""


@dataclass(frozen=True, slots=True)
class Resize:
    """``tf.image.resize`` of (batch, *old, channels) to ``new``, with half-pixel centres."""

    old: tuple[int, int]
    new: tuple[int, int]
    kind: Literal["nearest", "bilinear"]


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """Rows of ``table`` (numbers, width), by whole numbers of the input, rounded towards 0."""

    table: F32


@dataclass(frozen=True, slots=True, eq=False)
class LayerNormalization:
    """Normalization of each sample by its own mean and variance over ``axes``.

    ``fused`` tells which of its two programs TensorFlow runs: ``FusedBatchNormV3``, then gamma
    and beta by themselves; or ``tf.nn.batch_normalization``.
    """

    axes: tuple[int, ...]
    gamma: F32 | None
    beta: F32 | None
    epsilon: float
    fused: bool


@dataclass(frozen=True, slots=True)
class UnitNormalize:
    """``tf.math.l2_normalize``: divide by the root of the sum of squares over ``axes``."""

    axes: tuple[int, ...]
    epsilon: float


@dataclass(frozen=True, slots=True)
class FoldTime:
    """Make every step of the second axis a sample: (batch, time, ...) to (batch * time, ...)."""


@dataclass(frozen=True, slots=True)
class UnfoldTime:
    """Undo `FoldTime` for so many steps of time."""

    steps: int


@dataclass(frozen=True, slots=True)
class StepMask:
    """1 where any number along the last axis is not ``value``, else 0; that axis gets length 1."""

    value: float


@dataclass(frozen=True, slots=True)
class Where:
    """The second tensor where the first is not 0; elsewhere the third, or 0 if there is none.

    The first has all axes of the others, of length 1 where it broadcasts.
    """


StockOp: TypeAlias = (
    WithConstant
    | Divide
    | PRelu
    | Power
    | MatMul
    | Resize
    | Embedding
    | LayerNormalization
    | UnitNormalize
    | FoldTime
    | UnfoldTime
    | StepMask
    | Where
)
