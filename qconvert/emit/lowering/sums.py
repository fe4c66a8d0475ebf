"""Sums of products of bytes as the integers that they are, which become floats."""

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import LARGEST_CODE, Integers, WeightCodes
from qconvert.emit.requantization import own_steps, reach
from qconvert.emit.values import Codes
from qconvert.ir import F32

_BYTE = 8
#: In float32 with all its bits.
_SMALLEST_EXP, _LARGEST_EXP = -126, 127


def steps_of_sums(weights: WeightCodes, x: Codes) -> Integers | None:
    """The exponents of the sums of products of bytes, of all or by channel, which is axis 0.

    ``None`` where they may pass 2**24, beyond which float32 does not hold all of them, or where it
    does not have their steps.
    """
    exps = weights.exps + x.exp
    largest = np.abs(reach(own_steps(weights)[0], x)).max(initial=0)
    in_range = np.all((exps >= _SMALLEST_EXP) & (exps <= _LARGEST_EXP))
    return exps if weights.bits <= _BYTE and largest <= LARGEST_CODE and in_range else None


def as_float(b: Builder, sums: Tensor) -> Tensor:
    """int32 sums as float32."""
    return b.op("Cast", sums, attributes={"to": onnx.TensorProto.FLOAT})


def powers(exps: npt.ArrayLike) -> F32:
    """Of two, as float32."""
    found: F32 = np.ldexp(np.float32(1), np.asarray(exps, np.int32)).astype(np.float32)
    return found
