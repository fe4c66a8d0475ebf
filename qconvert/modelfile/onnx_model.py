"""ONNX files of strangers: seen by the isolated reader before anything else parses them."""

import stat
from dataclasses import asdict
from pathlib import Path
from typing import Final

from qconvert.errors import LimitError
from qconvert.modelfile.isolated import confined, started
from qconvert.modelfile.limits import DEFAULT_LIMITS, Limits
from qconvert.modelfile.magic import require_possible_onnx
from qconvert.modelfile.malformed import blaming
from qconvert.modelfile.source import kind_of, opened_source

#: onnx, and what it imports.
_PACKAGES: Final = ("onnx", "google", "ml_dtypes", "numpy", "typing_extensions")
#: Of a message of protobuf.
_MAX_BYTES: Final = (1 << 31) - 1


def read_valid_onnx(path: Path, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The bytes of an ONNX file that parses, has all weights in itself and is valid.

    Raises `BadFileError`, also if the file crashes the reader, and `LimitError`.
    """
    if kind_of(path) == stat.S_IFREG and path.stat().st_size > _MAX_BYTES:
        raise LimitError("QC110", f"{path}: larger than the 2 GiB that ONNX files can have")
    with opened_source(path, limits) as source, blaming(path):
        require_possible_onnx(source.data)
        with started((source.descriptor,), limits) as reader:
            request = {"do": "onnx", "file": source.descriptor, "limits": asdict(limits)}
            reader.ask({**request, **confined(limits, _PACKAGES)})
            reader.answer()
        return bytes(source.data)
