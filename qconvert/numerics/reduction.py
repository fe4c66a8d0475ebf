"""``tf.reduce_mean`` over all axes but one, bit for bit.

Eigen adds float32 numbers in an order that depends on where the kept axis stands; the orders
here are those of its ``TensorReduction`` for AVX, eight lanes. The sum of a whole tensor (one
output channel) of more than 8,000 elements is split among as many threads as the machine has
cores: there TensorFlow's last bits depend on the machine, and differ from these.
"""

import math
from typing import Final

import numpy as np

from qconvert.ir.types import F32

_LANES: Final = 8
_ACCUMULATORS: Final = 4
#: Eigen unrolls the sum of rows from here on.
_MANY_ROWS: Final = 16


def mean(x: F32, kept: tuple[int, ...]) -> F32:
    """The mean over all axes but *kept*, with length 1 in the others."""
    shape = [size if axis in kept else 1 for axis, size in enumerate(x.shape)]
    # TensorFlow drops axes of length 1 first.
    long = [axis for axis, size in enumerate(x.shape) if size > 1]
    inner = tuple(long.index(axis) for axis in kept if axis in long)
    if inner and inner[-1] - inner[0] >= len(inner):
        return _mean_of_apart(x.reshape([x.shape[axis] for axis in long]), inner).reshape(shape)
    kept = tuple(axis for axis in kept if axis in long) or kept[:1]
    before, after = math.prod(x.shape[: kept[0]]), math.prod(x.shape[kept[-1] + 1 :])
    length = math.prod(x.shape[kept[0] : kept[-1] + 1])
    parts = x.reshape(before, length, after)
    if after == 1 and length > 1:
        total = _sum_rows(parts[:, :, 0])
    elif before == 1 or length == 1:
        total = np.array([_sum_row(row) for row in np.moveaxis(parts, 1, 0).reshape(length, -1)])
    else:
        total = _in_order(np.moveaxis(parts, 2, 0).reshape(-1, length))
    return (total / np.float32(before * after)).reshape(shape)


def _mean_of_apart(x: F32, kept: tuple[int, ...]) -> F32:
    """Where a reduced axis lies between kept ones: TensorFlow sums rows of a transposed tensor."""
    reduced = [axis for axis in range(x.ndim) if axis not in kept]
    rows = x.transpose(*kept, *reduced).reshape(math.prod(x.shape[axis] for axis in kept), -1)
    if kept[0] == 0 and kept[-1] == x.ndim - 1 and reduced[-1] - reduced[0] < len(reduced):
        # But between the first and the last axes it sums as it does before the last ones.
        columns = x.reshape(math.prod(x.shape[: reduced[0]]), rows.shape[1], -1)
        total = np.concatenate([_sum_rows(part) for part in columns])
    else:
        total = np.array([_sum_row(row) for row in rows])
    return (total / np.float32(rows.shape[1])).astype(np.float32)


def _sum_rows(x: F32) -> F32:
    """Columns in whole vectors have four accumulators each, the last few have one."""
    whole = x.shape[1] // _LANES * _LANES
    rest = _in_order(x[:, whole:])
    if len(x) < _MANY_ROWS:
        return np.concatenate([_in_order(x[:, :whole]), rest])
    unrolled = len(x) // _ACCUMULATORS * _ACCUMULATORS
    accumulators = _in_order(
        x[:unrolled, :whole].reshape(unrolled // _ACCUMULATORS, _ACCUMULATORS, whole)
    )
    vectors = _in_order(np.concatenate([accumulators, x[unrolled:, :whole]]))
    return np.concatenate([vectors, rest])


def _sum_row(x: F32) -> np.float32:
    """Four vectors of eight lanes, then one vector, then the lanes, then what remains."""
    block = _ACCUMULATORS * _LANES
    unrolled = len(x) // block * block
    whole = len(x) // _LANES * _LANES
    accumulators = _in_order(x[:unrolled].reshape(-1, _ACCUMULATORS, _LANES))
    lanes = _in_order(np.concatenate([accumulators, x[unrolled:whole].reshape(-1, _LANES)]))
    halves = lanes[:4] + lanes[4:]
    pairs = halves[:2] + halves[2:]
    return np.float32(_in_order(x[whole:]) + (pairs[0] + pairs[1]))


def _in_order(x: F32) -> F32:
    """The sum over the first axis, one element after the other."""
    start = np.zeros((1, *x.shape[1:]), np.float32)
    total: F32 = np.add.accumulate(np.concatenate([start, x]), axis=0)[-1]
    return total
