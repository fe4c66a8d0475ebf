"""What a model takes, whatever its layers are."""

from qconvert.frontend.topology import input_shape, read_model_spec
from qconvert.ir.graph import Input
from qconvert.modelfile import ModelFile


def declared_inputs(model: ModelFile) -> tuple[Input, ...] | None:
    """The inputs of a *model* whose graph is well-formed; `None` if it does not tell a shape."""
    spec = read_model_spec(model.config)
    layers = {layer.name: layer for layer in spec.layers}
    names = [ref.layer for ref in spec.inputs]
    shapes = [input_shape(name, layers[name].config) for name in names]
    known = [shape for shape in shapes if shape is not None]
    return tuple(map(Input, names, known)) if len(known) == len(names) else None
