"""All cases as layers of one model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import qkeras
import tensorflow as tf
import tf_keras
from tensorflow_model_optimization.sparsity.keras import prune_low_magnitude

from scripts.support.calls import FAMILIES
from scripts.support.families import WIDE, Family, Inner, Keras, Options, Shape
from scripts.support.inputs import F32, Kind, samples
from scripts.support.quantizers import ACTIVATIONS, WEIGHTS

ALONE: Final = "one channel, floats"
#: Layers that Keras makes of functions and operators.
_MADE_BY_KERAS: Final = ("SlicingOpLambda", "TFOpLambda")


@dataclass(frozen=True, slots=True)
class Case:
    """One layer of the model, and the row that it stands for."""

    name: str
    family: Family
    options: Options
    layer: Keras
    kind: Kind = "grid"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Built:
    """A model and its samples by input."""

    model: Keras
    inputs: Mapping[str, F32]


def layers() -> Iterator[Case]:
    """Layers, by the table's arguments."""
    listed = [(f, o, "") for f in FAMILIES for o in f.cases]
    listed += [(_alone(f), f.cases[0], ALONE) for f in FAMILIES if f.alone]
    order = {family.class_name: i for i, family in enumerate(reversed(FAMILIES))}
    listed.sort(key=lambda one: -order[one[0].class_name])
    for number, (family, options, note) in enumerate(listed):
        kind: Kind = "rows" if family.rows else "raw" if note else "grid"
        name = f"layer_{number}"
        inner = Inner(family.class_name, {**family.shared, **options})
        layer = None if family.class_name in _MADE_BY_KERAS else made(inner, name)
        # Pruning calls its wrapper by the layer in it.
        own = name if layer is None else layer.name
        yield Case(own, family, options, layer, kind, note)


def _alone(family: Family) -> Family:
    """With one channel."""
    return replace(family, shapes=tuple((*shape[:-1], 1) for shape in family.shapes))


def made(layer: Inner, name: str | None = None) -> Keras:
    """A layer by its arguments, which may be layers themselves."""
    options = {
        key: made(value) if isinstance(value, Inner) else value
        for key, value in layer.options.items()
    }
    named = {} if name is None else {"name": name}
    if layer.class_name == "PruneLowMagnitude":
        return prune_low_magnitude(options["layer"])
    built = getattr(qkeras, layer.class_name, None) or getattr(tf_keras.layers, layer.class_name)
    return built(**options, **named)


def activations() -> Iterator[Case]:
    """Quantizers of tensors, as texts."""
    for number, (family, options) in enumerate((f, o) for f in ACTIVATIONS for o in f.cases):
        name = f"activation_{number}"
        layer = qkeras.QActivation(text_of(family.class_name, options), name=name)
        yield Case(name, family, options, layer, "wide")


def text_of(class_name: str, options: Options) -> str:
    """As QKeras reads it; functions are not called."""
    if not isinstance(getattr(qkeras.quantizers, class_name), type):
        return class_name
    return f"{class_name}({','.join(f'{key}={value!r}' for key, value in options.items())})"


def weights() -> Iterator[Case]:
    """Quantizers of kernels."""
    for number, (family, options) in enumerate((f, o) for f in WEIGHTS for o in f.cases):
        name = f"weight_{number}"
        quantizer = getattr(qkeras, family.class_name)(**options)
        layer = qkeras.QDense(5, kernel_quantizer=quantizer, use_bias=False, name=name)
        yield Case(name, family, options, layer)


def model_of(cases: list[Case]) -> Built:
    """All cases side by side.

    Keras builds the model without translating each layer's code first, which its shapes need not.
    """
    built: Built = tf.autograph.experimental.do_not_convert(_model_of)(cases)
    return built


def _model_of(cases: list[Case]) -> Built:
    sources = _Sources()
    outputs = [_called(case, sources) for case in cases]
    model = tf_keras.Model(list(sources.inputs.values()), outputs)
    random = np.random.default_rng(0)
    for variable in model.weights:
        if "float" in variable.dtype.name:
            low, high = (0.25, 2) if "variance" in variable.name else (-1.25, 1.25)
            # On a grid, so that sums can be exact, and with ties for what has four bits.
            numbers = np.rint(random.uniform(low, high, variable.shape) * 32) / 32
            variable.assign(numbers > 0 if "mask" in variable.name else numbers)
    return Built(model, sources.samples)


def _called(case: Case, sources: "_Sources") -> Keras:
    """The results of a case, whose layer has its name."""
    tensors = [
        sources.tensor(case.kind, shape, place) for place, shape in enumerate(case.family.shapes)
    ]
    if case.family.masked:
        tensors = [tf_keras.layers.Masking()(tensor) for tensor in tensors]
    if case.family.call is None:
        return case.layer(tensors if len(tensors) > 1 else tensors[0])
    result = case.family.call(case.layer, tensors)
    if case.layer is None:
        result.node.layer._name = case.name
    return result


@dataclass(slots=True)
class _Sources:
    """Inputs by kind, shape and place among those of a layer, and their samples."""

    inputs: dict[tuple[Kind, Shape, int], Keras] = field(default_factory=dict)
    samples: dict[str, F32] = field(default_factory=dict)
    quantized: dict[tuple[Kind, Shape, int], Keras] = field(default_factory=dict)

    def tensor(self, kind: Kind, shape: Shape, place: int) -> Keras:
        """What a layer is called with."""
        key = kind, shape, place
        if key not in self.inputs:
            name = f"x{len(self.inputs)}"
            self.inputs[key] = self.quantized[key] = tf_keras.Input(shape, name=name)
            self.samples[name] = samples(kind, shape, len(self.samples))
            if kind == "grid":
                self.quantized[key] = qkeras.QActivation(WIDE)(self.inputs[key])
        return self.quantized[key]
