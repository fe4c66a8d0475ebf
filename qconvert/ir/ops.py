"""The operations of a graph: a closed union of frozen dataclasses.

All tensors are float32 and channels-last, batch first, as Keras computes by default; a
``channels_first`` layer is the same op between two `Transpose`. Axes count from 0 and include
the batch axis. Kernels and biases are effective values: quantized, folded, ready to use.
A new op goes into the union `Op`; mypy then names every ``match`` that must learn it.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias

from qconvert.ir.quantizers import Quantizer
from qconvert.ir.stock import StockOp
from qconvert.ir.types import F32

if TYPE_CHECKING:
    # A graph holds ops, and one of them a graph.
    from qconvert.ir.graph import Graph

#: (before, after) for each spatial axis.
Padding: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Quantize:
    """Apply an activation quantizer to every element."""

    quantizer: Quantizer


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """``x @ kernel + bias`` over the last axis; kernel (inputs, units), bias (units,)."""

    kernel: F32
    bias: F32 | None


@dataclass(frozen=True, slots=True, eq=False)
class Conv:
    """Cross-correlation over the spatial axes, zero padding, then bias.

    kernel (*window, inputs / groups, outputs), bias (outputs,). A depthwise convolution has
    ``groups`` equal to its inputs, and outputs ordered input-major.
    """

    kernel: F32
    bias: F32 | None
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: Padding
    groups: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class ConvTranspose:
    """Transposed convolution, then bias: kernel (*window, outputs, inputs), bias (outputs,).

    The full result has ``(n - 1) * stride + dilation * (window - 1) + 1`` elements an axis;
    ``cropping`` takes (before, after) away from it; a negative number appends zeros instead.
    """

    kernel: F32
    bias: F32 | None
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    cropping: Padding


@dataclass(frozen=True, slots=True, eq=False)
class BatchNormalization:
    """Normalization with moving statistics over the last axis; all arrays (channels,).

    ``fused`` tells which of its two programs TensorFlow runs (``FusedBatchNormV3`` or
    ``tf.nn.batch_normalization``): they round differently. ``program`` are the numbers that a
    repaired file has in the place of those that the others make, one array a step.
    """

    mean: F32
    variance: F32
    gamma: F32 | None
    beta: F32 | None
    epsilon: float
    fused: bool = False
    program: tuple[F32, ...] | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """Maximum or mean over a window; padded elements take part in neither."""

    kind: Literal["max", "mean"]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding


@dataclass(frozen=True, slots=True)
class Reduce:
    """Maximum, minimum, mean or sum over axes (global pooling, ``tf.reduce_*``)."""

    kind: Literal["max", "min", "mean", "sum"]
    axes: tuple[int, ...]
    keepdims: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """Multiply by one float32 number, with one rounding."""

    factor: float


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """``x * factor + offset`` along the last axis; the product and the sum are rounded each.

    Arrays (channels,) or (1,); ``None`` stands for an operation that does not take place.
    """

    factor: F32 | None
    offset: F32 | None = None


@dataclass(frozen=True, slots=True)
class Relu:
    """Keras ``ReLU``: ``slope * (x - threshold)`` below the threshold, capped at ``max_value``."""

    slope: float = 0.0
    threshold: float = 0.0
    max_value: float | None = None


@dataclass(frozen=True, slots=True)
class Softmax:
    """``exp(x - max) / sum(exp(x - max))`` along an axis."""

    axis: int


class Function(Enum):
    """Elementwise functions of ``tf.keras.activations``; Keras 3's own have ``_3``."""

    ELU = "elu"
    EXPONENTIAL = "exponential"
    GELU = "gelu"
    HARD_SIGMOID = "hard_sigmoid"
    HARD_SIGMOID_3 = "relu6(x + 3) / 6"
    MISH = "mish"
    SELU = "selu"
    SIGMOID = "sigmoid"
    SOFTPLUS = "softplus"
    SOFTSIGN = "softsign"
    SWISH = "swish"
    TANH = "tanh"


@dataclass(frozen=True, slots=True)
class Elementwise:
    """A function of one number; ``alpha`` is ELU's slope factor and unused elsewhere."""

    function: Function
    alpha: float = 1.0


@dataclass(frozen=True, slots=True)
class Merge:
    """Combine two or more tensors elementwise, from left to right, with broadcasting."""

    kind: Literal["add", "subtract", "multiply", "average", "maximum", "minimum"]


@dataclass(frozen=True, slots=True)
class Concat:
    """Join tensors along an axis."""

    axis: int


@dataclass(frozen=True, slots=True)
class Reshape:
    """Keep the order of elements; ``shape`` without the batch axis, -1 at most once."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Transpose:
    """Permute axes: axis ``i`` of the result is axis ``perm[i]`` of the input; ``perm[0] == 0``."""

    perm: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pad:
    """Add zeros around the axes after the batch axis."""

    padding: Padding


@dataclass(frozen=True, slots=True)
class Slice:
    """``x[begin:end:step]`` on every axis after the batch axis, then drop the axes in ``squeeze``.

    ``begin`` and ``end`` are as in Python and may be negative or ``None``; axes in ``squeeze``
    count with the batch axis.
    """

    begin: tuple[int | None, ...]
    end: tuple[int | None, ...]
    step: tuple[int, ...]
    squeeze: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class UpSample:
    """Repeat every element ``factors[i]`` times along spatial axis ``i``."""

    factors: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Recurrence:
    """Run ``body`` once a step of some ``sequences`` (None, time, features), from step to step.

    Further inputs are the first states (None, width); those that are not given are zeros.
    The body takes the features of a step, of each sequence, and the states, and returns the new
    states. The result holds the states after every step, side by side: (None, time, sum of the
    widths), in the order in which the steps are taken; ``reverse`` takes them from the last to
    the first.
    """

    body: "Graph"
    reverse: bool = False
    sequences: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Opaque:
    """A stock Keras layer that is known by an ONNX model alone, which ``converter`` made of it.

    ``fragment`` is that model, serialized: it takes float32 tensors of the shapes ``inputs``, in
    this order and in Keras's layout, and gives one of ``shape``. No reference can evaluate it.
    """

    class_name: str
    converter: str
    fragment: bytes
    inputs: tuple[tuple[int | None, ...], ...]
    shape: tuple[int | None, ...]


Op: TypeAlias = (
    Quantize
    | Dense
    | Conv
    | ConvTranspose
    | BatchNormalization
    | Pool
    | Reduce
    | Scale
    | Affine
    | Relu
    | Softmax
    | Elementwise
    | Merge
    | Concat
    | Reshape
    | Transpose
    | Pad
    | Slice
    | UpSample
    | StockOp
    | Recurrence
    | Opaque
)
