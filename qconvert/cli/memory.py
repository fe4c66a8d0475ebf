"""Limits of memory that were set for this process."""

import os
from typing import Final

from qconvert.errors import LimitError

#: Bytes of address space below which Python, NumPy and ONNX do not even load.
_LEAST: Final = 192 << 20


def require_enough() -> None:
    """`LimitError` if ``ulimit -v`` leaves less than every command needs.

    NumPy's library of linear algebra would end the process in its own way there.
    """
    try:
        import resource
    except ImportError:  # on Windows, which has no such limits
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return
    if limit < _LEAST:
        raise LimitError(
            "QC801",
            f"the address space is limited to {limit >> 20} MiB (ulimit -v), "
            f"and {_LEAST >> 20} MiB are needed",
        )
    # It takes memory for each thread.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
