"""QKeras's last step: the quantized value, or a mixture of it and the input."""

from qconvert.emit.builder import Builder, Tensor

#: TensorFlow takes what is smaller, denormal numbers, for 0.
SMALLEST_NORMAL = 2.0**-126


def straight_through(b: Builder, x: Tensor, y: Tensor) -> Tensor:
    """``x + (y - x)``, which is not *y* wherever it rounds."""
    return b.op("Add", x, b.op("Sub", y, x))


def mixed(
    b: Builder, x: Tensor, y: Tensor, factor: float, *, use_ste: bool = True, exact: bool = False
) -> Tensor:
    """``qnoise_factor`` of *y* and the rest of *x*; *exact* where the usual sum returns *y*."""
    if factor == 1:
        return y if exact or not use_ste else straight_through(b, x, y)
    x = flushed(b, x)
    if use_ste:
        return b.op("Add", x, _times(b, b.op("Sub", y, x), factor))
    return b.op("Add", _times(b, x, 1 - factor), _times(b, y, factor))


def flushed(b: Builder, x: Tensor) -> Tensor:
    """Denormal numbers as 0."""
    normal = b.op("GreaterOrEqual", b.op("Abs", x), b.scalar(SMALLEST_NORMAL))
    return b.op("Where", normal, x, b.scalar(0.0))


def _times(b: Builder, x: Tensor, factor: float) -> Tensor:
    return flushed(b, b.op("Mul", x, b.scalar(factor)))
