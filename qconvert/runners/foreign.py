"""An ONNX file that says nothing of layers as a witness, once it is known what stands where."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from qconvert.errors import WitnessError
from qconvert.ir import F32, Shape
from qconvert.modelfile import DEFAULT_LIMITS, Limits
from qconvert.runners.ort import OrtRunner
from qconvert.runners.traces import NOTHING, Trace

_Array: TypeAlias = npt.NDArray[Any]

#: Operators that return codes, with the positions of their scale and their zero point.
_CODING: Final[Mapping[str, tuple[int, int]]] = {
    "QuantizeLinear": (1, 2),
    "QLinearConv": (6, 7),
    "QLinearMatMul": (6, 7),
}
#: Operators that return codes of what their first input is codes of.
_MOVING: Final = frozenset(
    {"Clip", "Flatten", "Identity", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file holds a value of Keras's ``shape``: in a tensor with its axes in this order.

    The tensor may have them split or joined (a flattened image), its elements are in their order.
    """

    tensor: str
    shape: Shape
    axes: tuple[int, ...]

    def in_keras(self, stored: F32, size: int) -> F32:
        """The value for *size* samples; as it is *stored*, where that has other elements."""
        lengths = [size, *(-1 if n is None else n for n in self.shape[1:])]
        if stored.ndim != len(lengths) or any(
            lengths[axis] not in (-1, n) for axis, n in zip(self.axes, stored.shape, strict=True)
        ):
            try:
                stored = stored.reshape([lengths[axis] for axis in self.axes])
            except ValueError:
                return stored
        return np.transpose(stored, np.argsort(self.axes))

    def in_file(self, value: F32) -> F32:
        """The value as the file takes it."""
        return np.ascontiguousarray(np.transpose(value, self.axes))


@dataclass(frozen=True, slots=True)
class Correspondence:
    """What a file's tensors are, by Keras's names.

    ``kinds`` are the types of what it takes, where that is not float32; ``batch`` is the only
    number of samples that it takes, if it takes no other.
    """

    inputs: Mapping[str, Place]
    outputs: Mapping[str, Place]
    layers: Mapping[str, Place] = field(default_factory=dict)
    kinds: Mapping[str, np.dtype[Any]] = field(default_factory=dict)
    batch: int | None = None


class ForeignRunner:
    """Runs a file as it is, and with the tensors of layers as outputs."""

    def __init__(
        self, model: onnx.ModelProto, known: Correspondence, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._known = known
        self._coding = _codings(model.graph)
        tensors = [place.tensor for place in known.layers.values()]
        self._layers = OrtRunner(_with_outputs(model, tensors), limits)
        self._deployed = OrtRunner(model, limits)
        self.versions = self._deployed.versions

    def run_layers(self, inputs: Mapping[str, F32], forced: Mapping[str, F32] = NOTHING) -> Trace:
        """The layers whose place is known, and the outputs, with graph optimizations off."""
        values, size = self._run(self._layers.run_layers, inputs), _size(inputs)
        layers = {
            name: place.in_keras(values[place.tensor], size)
            for name, place in self._known.layers.items()
        }
        return Trace(layers, self._outputs(values, size))

    def run_deployed(self, inputs: Mapping[str, F32], forced: Mapping[str, F32] = NOTHING) -> Trace:
        """The outputs of the unchanged file with default options."""
        return Trace(
            {}, self._outputs(self._run(self._deployed.run_deployed, inputs), _size(inputs))
        )

    def tensors(self, inputs: Mapping[str, F32]) -> dict[str, F32]:
        """What the file takes and returns, with graph optimizations off."""
        return self._run(self._layers.run_layers, inputs)

    def _outputs(self, values: Mapping[str, F32], size: int) -> dict[str, F32]:
        places = self._known.outputs
        return {name: place.in_keras(values[place.tensor], size) for name, place in places.items()}

    def _run(
        self, run: Callable[[Mapping[str, F32]], Trace], inputs: Mapping[str, F32]
    ) -> dict[str, F32]:
        """Floats by tensor, the inputs among them; in pieces, if the file takes no other batch."""
        size = _size(inputs)
        piece = self._known.batch or size
        given = {place.tensor: place.in_file(inputs[n]) for n, place in self._known.inputs.items()}
        parts: dict[str, list[_Array]] = {name: [x] for name, x in given.items()}
        for start in range(0, size, piece):
            for name, found in run(self._fed(given, start, piece)).outputs.items():
                value = self._as_float(name, found)
                if value is not None and value.ndim and name not in given:
                    parts.setdefault(name, []).append(_first(value, size - start, piece))
        return {name: np.concatenate(found) for name, found in parts.items()}

    def _fed(self, given: Mapping[str, F32], start: int, piece: int) -> dict[str, _Array]:
        """So many samples in the file's types; the last is repeated, where there are too few."""
        result: dict[str, _Array] = {}
        for name, value in given.items():
            rows = value[np.minimum(np.arange(start, start + piece), len(value) - 1)]
            result[name] = rows.astype(self._known.kinds.get(name, np.dtype(np.float32)))
            if not np.array_equal(result[name].astype(np.float32), rows):
                raise WitnessError("QC707", f"the file takes {name!r} as {result[name].dtype} only")
        return result

    def _as_float(self, name: str, found: object) -> F32 | None:
        """A tensor of floats, or codes as the numbers that they stand for; no other."""
        if not isinstance(found, np.ndarray):
            return None
        if name in self._coding and found.dtype.kind in "iu":
            scale, zero = self._coding[name]
            return ((found.astype(np.float64) - zero) * scale).astype(np.float32)
        return found.astype(np.float32) if found.dtype.kind == "f" else None


def every_tensor(
    model: onnx.ModelProto, known: Correspondence, inputs: Mapping[str, F32], limits: Limits
) -> dict[str, F32]:
    """All that a file makes of *inputs*, as floats in its own layout and order, and these first."""
    order = depending(model.graph, [place.tensor for place in known.inputs.values()])
    values = ForeignRunner(_with_outputs(model, order), known, limits).tensors(inputs)
    return {name: values[name] for name in order if name in values}


def depending(graph: onnx.GraphProto, inputs: Iterable[str]) -> list[str]:
    """The tensors that depend on *inputs*, in the file's order, which is topological."""
    found = dict.fromkeys(inputs)
    for node in graph.node:
        if not found.keys().isdisjoint(node.input):
            found |= dict.fromkeys(name for name in node.output if name)
    return list(found)


def _with_outputs(model: onnx.ModelProto, names: Iterable[str]) -> onnx.ModelProto:
    known = {value.name for value in (*model.graph.input, *model.graph.output)}
    result = onnx.ModelProto()
    result.CopyFrom(model)
    wanted = dict.fromkeys(name for name in names if name not in known)
    result.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    return result


def _codings(graph: onnx.GraphProto) -> dict[str, tuple[float, float]]:
    """Scale and zero point of the tensors of codes that have one of each."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    result: dict[str, tuple[float, float]] = {}
    for node in graph.node:
        where = [node.input[i] for i in _CODING.get(node.op_type, ()) if i < len(node.input)]
        found = [numpy_helper.to_array(constants[name]) for name in where if name in constants]
        if found and len(found) == len(where) and all(array.size == 1 for array in found):
            scale, zero = [*(float(array.item()) for array in found), 0.0][:2]
            result[node.output[0]] = scale, zero
        elif node.op_type in _MOVING and node.input[0] in result:
            result[node.output[0]] = result[node.input[0]]
    return result


def _first(value: F32, count: int, piece: int) -> F32:
    """Without what belongs to samples beyond *count* of a *piece*."""
    return value if count >= piece else value[: len(value) * count // piece]


def _size(inputs: Mapping[str, F32]) -> int:
    return len(next(iter(inputs.values())))
