"""Whether a file can be of the model that it is measured beside, before anything is."""

from collections.abc import Iterator

import onnx

from qconvert.checking.onnx_file import require_outputs_of
from qconvert.checking.other_files.interface import interface
from qconvert.emit.metadata import read_metadata
from qconvert.errors import UnsupportedError
from qconvert.frontend import build_graph, declared_inputs
from qconvert.ir import Graph
from qconvert.modelfile import Limits, ModelFile


def require_same_model(read: ModelFile, model: onnx.ModelProto, limits: Limits) -> None:
    """`UsageError` unless *model* takes and returns what the Keras model *read* does.

    Of a model with layers that are not known, which TensorFlow may run all the same, what it
    takes is all that is looked at.
    """
    try:
        # Whatever scales are: they change no shape.
        graph = build_graph(read, freezing=True, limits=limits)
    except UnsupportedError:
        _require_inputs(read, model)
        return
    if interface(graph, model) is None:
        require_outputs_of(graph, model)


def doubts(sha256: str, model: onnx.ModelProto) -> Iterator[str]:
    """What the file says of itself that the Keras model with this hash contradicts."""
    metadata = read_metadata(model)
    if metadata is not None and metadata.source and metadata.source != sha256:
        yield (
            f"the file says that it is of another model, with SHA-256 {metadata.source}, and not "
            f"{sha256}: qconvert diff tells what differs"
        )


def _require_inputs(read: ModelFile, model: onnx.ModelProto) -> None:
    inputs = declared_inputs(read)
    weights = {tensor.name for tensor in model.graph.initializer}
    taken = [value for value in model.graph.input if value.name not in weights]
    # States of layers are further inputs of the file, and nobody knows how many.
    if inputs is not None and len(taken) <= len(inputs):
        interface(Graph("", inputs, nodes=(), outputs=(), layers=()), model)
