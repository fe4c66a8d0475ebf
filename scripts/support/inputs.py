"""What the cases are fed: values that make mistakes visible, at once on a few samples."""

from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from scripts.support.families import Shape

F32: TypeAlias = npt.NDArray[np.float32]
#: Quantized before a case sees them; as they are; for quantizers; rows of a table.
Kind: TypeAlias = Literal["grid", "raw", "wide", "rows"]
#: A batch of one and one of seven.
SAMPLES: Final = 8
_ROWS: Final = 10


def samples(kind: Kind, shape: Shape, seed: int) -> F32:
    """`SAMPLES` samples of *shape*, the special values of *kind* among others."""
    random = np.random.default_rng(seed)
    size = SAMPLES * int(np.prod(shape))
    if kind == "rows":
        return _shaped(random.integers(0, _ROWS, size), shape)
    special = _everything() if kind == "wide" else _special()
    others = np.rint(random.uniform(-10, 10, max(size - special.size, size // 2)) * 32) / 32
    values = np.concatenate([special, others])[:size]
    if special.size > size // 2:
        values = random.choice(np.concatenate([special, others]), size)
    # No two inputs of one layer have the same order.
    return _shaped(random.permutation(values), shape)


def _special() -> npt.NDArray[np.float64]:
    """Both zeros, ties of what has four and eight bits, its ends, and far behind them."""
    ties = (np.arange(-18, 18) + 0.5) / 8
    fine = (np.arange(-3, 3) + 0.5) / 16
    powers = np.exp2(np.arange(-5.0, 4.0))
    ends = np.array([0.0, -0.0, 0.0, -0.0, 7.9375, 8.0, -8.0, 40.0, -40.0])
    return np.concatenate([ties, fine, powers, -powers, ends])


def _everything() -> npt.NDArray[Any]:
    """For quantizers also: all multiples of 1/64 to 10, powers and their neighbours, extremes."""
    grid = np.arange(-640, 641) / 64
    roots = np.exp2(np.arange(-24, 24) / 2).astype(np.float32)
    near = np.concatenate([np.nextafter(roots, s * np.float32(np.inf)) for s in (-1, 1)])
    far = np.array([1e-45, 1e-38, 9e-8, 1e-7, 2e-7, 300.0])
    both = np.concatenate([roots, near, far]).astype(np.float64)
    return np.concatenate([_special(), grid, both, -both])


def _shaped(values: npt.NDArray[Any], shape: Shape) -> F32:
    return values.astype(np.float32).reshape(SAMPLES, *shape)
