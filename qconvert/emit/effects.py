"""Options that were asked for and that a file is no different for."""

from collections.abc import Iterator
from typing import Final

import onnx

from qconvert.emit.metadata import read_metadata
from qconvert.emit.packing import FEWEST, PACKED_TYPES
from qconvert.emit.requirements import ARM, VNNI
from qconvert.emit.subgraphs import with_inner

_NO_CODES: Final = "files of the dialect float multiply no integers"
_NO_DIFFERENCE: Final = (
    "its weights are int8 without it, or no kernel has integers of 8 bits, and nothing is added to "
    "rounded products of dense layers"
)


def without_effect(model: onnx.ModelProto, *, packed: bool, vnni: bool) -> Iterator[str]:
    """Of the options given those that changed nothing of the exported *model*, and why."""
    if packed and not _holds_packed(model):
        yield (
            f"--packed-weights changes nothing of this model: no kernel has {FEWEST} weights or "
            "more of up to 4 bits"
        )
    metadata = read_metadata(model)
    if vnni and metadata is not None and not {VNNI, ARM}.intersection(metadata.requires.cpu):
        why = _NO_CODES if metadata.dialect == "float" else _NO_DIFFERENCE
        yield f"--vnni changes nothing of this model: {why}"


def _holds_packed(model: onnx.ModelProto) -> bool:
    tensors = (tensor for each in with_inner(model.graph) for tensor in each.initializer)
    return any(tensor.data_type in PACKED_TYPES for tensor in tensors)
