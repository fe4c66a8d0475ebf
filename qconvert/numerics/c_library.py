"""glibc's ``logf`` and ``expf``, bit for bit: what TensorFlow calls for the ends of tensors.

Both are tables and short polynomials in double precision (glibc 2.27 and later,
``sysdeps/ieee754/flt-32/e_logf.c`` and ``e_expf.c``); neither is correctly rounded.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from qconvert.ir.types import F32

_F64 = npt.NDArray[np.float64]
#: Sixteen pairs ``1 / c, log(c)`` for points c from 0.7 to 1.4.
_LOG_TABLE: Final = tuple(
    (float.fromhex(inverse), float.fromhex(logarithm))
    for inverse, logarithm in (
        ("0x1.661ec79f8f3bep+0", "-0x1.57bf7808caadep-2"),
        ("0x1.571ed4aaf883dp+0", "-0x1.2bef0a7c06ddbp-2"),
        ("0x1.49539f0f010bp+0", "-0x1.01eae7f513a67p-2"),
        ("0x1.3c995b0b80385p+0", "-0x1.b31d8a68224e9p-3"),
        ("0x1.30d190c8864a5p+0", "-0x1.6574f0ac07758p-3"),
        ("0x1.25e227b0b8eap+0", "-0x1.1aa2bc79c81p-3"),
        ("0x1.1bb4a4a1a343fp+0", "-0x1.a4e76ce8c0e5ep-4"),
        ("0x1.12358f08ae5bap+0", "-0x1.1973c5a611cccp-4"),
        ("0x1.0953f419900a7p+0", "-0x1.252f438e10c1ep-5"),
        ("0x1p+0", "0x0p+0"),
        ("0x1.e608cfd9a47acp-1", "0x1.aa5aa5df25984p-5"),
        ("0x1.ca4b31f026aap-1", "0x1.c5e53aa362eb4p-4"),
        ("0x1.b2036576afce6p-1", "0x1.526e57720db08p-3"),
        ("0x1.9c2d163a1aa2dp-1", "0x1.bc2860d224770p-3"),
        ("0x1.886e6037841edp-1", "0x1.1058bc8a07ee1p-2"),
        ("0x1.767dcf5534862p-1", "0x1.4043057b6ee09p-2"),
    )
)
_LOG_A0: Final = float.fromhex("-0x1.00ea348b88334p-2")
_LOG_A1: Final = float.fromhex("0x1.5575b0be00b6ap-2")
_LOG_A2: Final = float.fromhex("-0x1.ffffef20a4123p-2")
_LN_2: Final = float.fromhex("0x1.62e42fefa39efp-1")
_EXP_C0: Final = float.fromhex("0x1.c6af84b912394p-5") / 32**3
_EXP_C1: Final = float.fromhex("0x1.ebfce50fac4f3p-3") / 32**2
_EXP_C2: Final = float.fromhex("0x1.62e42ff0c52d6p-1") / 32
_INVERSE_LN_2: Final = float.fromhex("0x1.71547652b82fep+0") * 32


def logf(x: F32) -> F32:
    """The natural logarithm of normal numbers; as usual for 0, infinities and NaN."""
    bits = np.ascontiguousarray(x).view(np.int32)
    above = bits - np.int32(0x3F330000)
    inverse, logarithm = np.array(_LOG_TABLE).T[:, (above >> 19) % 16]
    exponent = above >> 23
    mantissa: _F64 = (bits - (exponent << 23)).view(np.float32).astype(np.float64)
    r = mantissa * inverse - 1
    y0 = logarithm + exponent * _LN_2
    y = _LOG_A0 * (r * r) + (_LOG_A1 * r + _LOG_A2)
    result: F32 = (y * (r * r) + (y0 + r)).astype(np.float32)
    result[np.isposinf(x)] = np.inf
    result[x == 0] = -np.inf
    result[(x < 0) | np.isnan(x)] = np.nan
    return result


def expf(x: F32) -> F32:
    """The exponential function."""
    z: _F64 = np.clip(x.astype(np.float64), -200, 200) * _INVERSE_LN_2
    k = np.rint(z)
    r = z - k
    y = (_EXP_C0 * r + _EXP_C1) * (r * r) + (_EXP_C2 * r + 1)
    return (y * np.exp2(k / 32)).astype(np.float32)
