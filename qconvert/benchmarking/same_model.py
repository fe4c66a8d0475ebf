"""Whether a file can be of the model that it is measured beside, before anything is."""

import onnx

from qconvert.checking.onnx_file import require_outputs_of
from qconvert.checking.other_files.interface import interface
from qconvert.errors import UnsupportedError
from qconvert.frontend import build_graph
from qconvert.modelfile import ModelFile


def require_same_model(read: ModelFile, model: onnx.ModelProto) -> None:
    """`UsageError` unless *model* takes and returns what the Keras model *read* does.

    Of a model with layers that are not known nothing is said: TensorFlow may run it all the same.
    """
    try:
        graph = build_graph(read)
    except UnsupportedError:
        return
    if interface(graph, model) is None:
        require_outputs_of(graph, model)
