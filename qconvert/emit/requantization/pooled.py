"""A convolution and the mean over windows of its results, as one convolution and a divisor.

The sum over a window is a sum over the wider one that its results come from, with the strides of
both. It takes fewer products: where means of 2 by 2 are behind a window of 3 by 3, 16 in place of
36.
"""

import math
from dataclasses import replace
from typing import Final

import numpy as np

from qconvert.emit.codes import LARGEST_CODE, on_grid
from qconvert.emit.requantization.chains import Chain
from qconvert.emit.requantization.requantize import own_steps, reach
from qconvert.emit.values import Codes
from qconvert.emit.weights import Weight
from qconvert.ir.ops import Conv, Pool

#: Times the weights: as bytes they take no more than floats did.
_MOST_WEIGHTS: Final = 4


def averaged(chain: Chain, weight: Weight, x: Codes) -> Chain | None:
    """*chain*, which has a mean behind its convolution of *x*, with the sums in place of this.

    ``None`` where these can be rounded, or where they take more than they save.
    """
    conv, mean = chain.linear.op, chain.between[0]
    assert isinstance(conv, Conv)
    assert isinstance(mean.op, Pool)
    if not _are_exact(conv, weight, x, math.prod(mean.op.window)):
        return None
    sums = _sums(conv, mean.op)
    times = math.prod(sums.kernel.shape[:-2]) / math.prod(conv.kernel.shape[:-2])
    if times > min(_MOST_WEIGHTS, math.prod(mean.op.strides)):
        return None
    return replace(chain, linear=replace(chain.linear, op=sums, shape=mean.shape))


def _are_exact(conv: Conv, weight: Weight, x: Codes, count: int) -> bool:
    """Whether float32 holds all sums on the way to those of *count* results, biases included."""
    found = weight.as_bytes
    if found is None:
        return False
    weights, exps = own_steps(found)
    bias = np.zeros(len(exps)) if conv.bias is None else on_grid(conv.bias, exps + x.exp)
    if bias is None:
        return False
    lo, hi = reach(weights, *x.ends)
    return bool(count * (np.maximum(-lo, hi) + abs(bias)).max() <= LARGEST_CODE)


def _sums(conv: Conv, mean: Pool) -> Conv:
    """The sums over the windows of *mean* of what *conv* returns."""
    inner, outer = conv.kernel.shape[:-2], mean.window
    spans = [(n - 1) * step + 1 for n, step in zip(inner, conv.dilations, strict=True)]
    size = [
        span + (n - 1) * stride for span, n, stride in zip(spans, outer, conv.strides, strict=True)
    ]
    kernel = np.zeros((*size, *conv.kernel.shape[-2:]), np.float32)
    for place in np.ndindex(outer):
        starts = [at * stride for at, stride in zip(place, conv.strides, strict=True)]
        axes = zip(starts, spans, conv.dilations, strict=True)
        kernel[*(slice(start, start + span, step) for start, span, step in axes)] += conv.kernel
    bias = None if conv.bias is None else conv.bias * np.float32(math.prod(outer))
    strides = tuple(a * b for a, b in zip(conv.strides, mean.strides, strict=True))
    return Conv(kernel, bias, strides, (1,) * len(outer), conv.padding, conv.groups)
