"""What models say they take, whatever their layers are."""

from collections.abc import Mapping
from typing import Final

from qconvert.frontend.problems import Malformed, short
from qconvert.frontend.topology import LayerSpec, ModelSpec, read_model_spec
from qconvert.frontend.values import Values
from qconvert.ir.graph import Input
from qconvert.ir.shapes import Shape
from qconvert.modelfile import ModelFile

#: As Keras 2 and Keras 3 call it.
_OPTIONS: Final = ("batch_input_shape", "batch_shape")
#: What programs have for the length of an axis.
_LENGTHS: Final = range(1, 1 << 63)


def declared_inputs(model: ModelFile) -> tuple[Input, ...] | None:
    """The inputs of a *model* whose graph is well-formed; `None` if it does not tell a shape."""
    spec = read_model_spec(model.config)
    configs = {layer.name: layer.config for layer in spec.layers}
    names = [ref.layer for ref in spec.inputs]
    shapes = [input_shape(configs[name]) for name in names]
    known = [shape for shape in shapes if shape is not None]
    return tuple(map(Input, names, known)) if len(known) == len(names) else None


def input_shape(config: Mapping[str, object]) -> Shape | None:
    """The shape of an input, its batch left open; None if nothing is declared."""
    found = [config[option] for option in _OPTIONS if config.get(option) is not None]
    if not found:
        return None
    shape, *others = found
    if any(other != shape for other in others):
        raise Malformed(f"two shapes: {short(shape)} and {short(others[0])}")
    if not isinstance(shape, list | tuple) or not shape:
        raise Malformed(f"{short(shape)} is not a shape")
    for length in shape:
        if length is not None and (type(length) is not int or length not in _LENGTHS):
            raise Malformed(f"{short(shape)} is not a shape: the length {short(length)}")
    return (None, *shape[1:])


def require_taken(spec: ModelSpec, layer: LayerSpec, given: Values) -> None:
    """`Malformed` unless an input of *spec* can be what it is *given*, if that is known.

    A nested model was built with the shapes that it declares.
    """
    declared = input_shape(layer.config)
    if declared is None or spec.deferred:
        return
    for value in filter(None, given):
        if not _alike(declared, value.shape):
            raise Malformed(f"its shape is {declared}, it is given one of {value.shape}", "QC315")


def _alike(one: Shape, other: Shape) -> bool:
    return len(one) == len(other) and all(
        None in pair or pair[0] == pair[1] for pair in zip(one, other, strict=True)
    )
