"""Options that were asked for and that a file is no different for."""

from collections.abc import Iterator

import onnx

from qconvert.emit.metadata import read_metadata
from qconvert.emit.packing import FEWEST, PACKED_TYPES
from qconvert.emit.requirements import ARM, VNNI
from qconvert.emit.subgraphs import with_inner


def without_effect(model: onnx.ModelProto, *, packed: bool, vnni: bool) -> Iterator[str]:
    """Of the options given those that changed nothing of the exported *model*, and why."""
    if packed and not _holds_packed(model):
        yield (
            f"--packed-weights changes nothing of this model: no kernel has {FEWEST} weights or "
            "more of up to 4 bits"
        )
    if vnni and not _requires(model, VNNI, ARM):
        yield (
            "--vnni changes nothing of this model: its weights are int8 without it, or no kernel "
            "has integers of 8 bits, and nothing is added to rounded products of dense layers"
        )


def _holds_packed(model: onnx.ModelProto) -> bool:
    tensors = (tensor for each in with_inner(model.graph) for tensor in each.initializer)
    return any(tensor.data_type in PACKED_TYPES for tensor in tensors)


def _requires(model: onnx.ModelProto, *conditions: str) -> bool:
    """Whether the file states one of these."""
    metadata = read_metadata(model)
    return metadata is not None and not set(conditions).isdisjoint(metadata.requires.cpu)
