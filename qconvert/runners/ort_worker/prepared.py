"""A file for a run with optimizations off that rounds sums of floats as the deployed one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from .blocks import lay_out
from .constants import compute_constants

if TYPE_CHECKING:
    from pathlib import Path


def prepared(data: bytes, folder: Path) -> bytes:
    """The file with its weights, and convolutions, as ONNX Runtime has them when it optimizes.

    *folder* takes a file in between.
    """
    model = onnx.ModelProto.FromString(data)
    compute_constants(model)
    lay_out(model, folder)
    return bytes(model.SerializeToString())
