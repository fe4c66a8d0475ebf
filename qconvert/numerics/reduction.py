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


def mean(x: F32, kept: int) -> F32:
    """The mean over all axes but *kept*, with length 1 in the others."""
    before, after = math.prod(x.shape[:kept]), math.prod(x.shape[kept + 1 :])
    length = x.shape[kept]
    parts = x.reshape(before, length, after)
    if after == 1 and length > 1:
        total = _sum_rows(parts[:, :, 0])
    elif before == 1 or length == 1:
        total = np.array([_sum_row(row) for row in np.moveaxis(parts, 1, 0).reshape(length, -1)])
    else:
        total = _in_order(np.moveaxis(parts, 2, 0).reshape(-1, length))
    shape = (1,) * kept + (length,) + (1,) * (x.ndim - kept - 1)
    return (total / np.float32(before * after)).reshape(shape)


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
