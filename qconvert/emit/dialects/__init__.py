"""How numbers are represented in ONNX: one module a dialect, one literal table."""

from collections.abc import Mapping
from typing import Final

from qconvert.emit.dialects.float import FloatDialect
from qconvert.emit.dialects.protocol import Dialect
from qconvert.emit.dialects.qdq import QdqDialect

DIALECTS: Final[Mapping[str, Dialect]] = {"qdq": QdqDialect(), "float": FloatDialect()}

__all__ = ["DIALECTS", "Dialect"]
