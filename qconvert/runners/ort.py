"""ONNX Runtime as a witness: layer by layer, as deployed, and as deployed with taps."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx

from qconvert.emit.metadata import CodesTensor, LayerTensor, read_metadata
from qconvert.errors import WitnessError
from qconvert.ir import F32
from qconvert.modelfile import DEFAULT_LIMITS, Limits
from qconvert.runners.cutting import can_be_cut, cut, feeds, tensors_of
from qconvert.runners.interface import fed, floats
from qconvert.runners.ort_process import Session, ort_process
from qconvert.runners.traces import NOTHING, Trace

_Array: TypeAlias = np.ndarray[Any, Any]


class OrtRunner:
    """Runs an ONNX file, which need not be one of ours; without metadata it has no layers.

    Whatever runs it raises `LimitError` for a result of more bytes than the *limits* allow.
    """

    def __init__(self, model: onnx.ModelProto | Path, limits: Limits = DEFAULT_LIMITS) -> None:
        self._source = model
        self._limits = limits
        try:
            self._model = (
                onnx.load(model, load_external_data=False) if isinstance(model, Path) else model
            )
            metadata = read_metadata(self._model)
        except Exception as error:
            raise WitnessError("QC726", f"the ONNX file cannot be read: {error}") from error
        #: Without those whose results the file has not: nothing reads them.
        self.layers: tuple[LayerTensor, ...] = tuple(
            layer for layer in (metadata.layers if metadata else ()) if layer.tensor or layer.codes
        )
        #: By layer that the file has no result of the one into whose operators it is fused.
        layers = metadata.layers if metadata else ()
        self.fused = {x.layer: x.fused_into for x in layers if x.fused_into}
        self.inputs = tuple(_fed(self._model.graph))
        self._interface = metadata.inputs if metadata else ()
        self._coded_outputs = {
            o.tensor: o.codes for o in (metadata.outputs if metadata else ()) if o.codes
        }
        self.outputs = tuple(value.name for value in self._model.graph.output)
        #: Sums of codes: integers, too, but in the middle of what becomes one operator.
        self._sums = frozenset(
            node.output[0] for node in self._model.graph.node if node.op_type == "MatMulInteger"
        )
        self._sessions: dict[tuple[bool, tuple[str, ...]], Session] = {}
        #: What the model calls its outputs, where the file has to use another name: an input's.
        self._renamed = {
            o.tensor: o.output
            for o in (metadata.outputs if metadata else ())
            if o.output in self.inputs
        }

    def run_layers(self, inputs: Mapping[str, F32], forced: Mapping[str, F32] = NOTHING) -> Trace:
        """Every layer and the outputs, with graph optimizations off.

        What reads a layer that is *forced* computes with that result instead of the true one. Of
        one that is fused into an operator nothing can be forced, and nothing is returned.
        """
        if not self.fused.keys().isdisjoint(forced):
            return Trace({}, {})
        values = self._run_forced(self.layers, inputs, forced, optimized=False)
        return Trace(
            {layer.layer: _keras_layout(_value(layer, values), layer) for layer in self.layers},
            self._results(values),
        )

    def run_deployed(self, inputs: Mapping[str, F32]) -> Trace:
        """The outputs of the unchanged file with default options."""
        values = self._run(self._deployed, inputs)
        return Trace({}, self._results(values))

    def run_tapped(self, inputs: Mapping[str, F32], forced: Mapping[str, F32] = NOTHING) -> Trace:
        """The layers that end in integer codes, and the outputs, with optimizations on.

        Taps sit on integer tensors only: a tap on a float tensor would switch a fusion off. So
        would one that is *forced*, which shows nothing of the file as it is deployed.
        """
        coded = [layer for layer, _ in self._coded()]
        if not forced.keys() <= {layer.layer for layer in coded}:
            return Trace({}, {})
        values = self._run_forced(coded, inputs, forced, optimized=True)
        return Trace(
            {
                layer.layer: _keras_layout(_dequantized(codes, values), layer)
                for layer, codes in self._coded()
            },
            self._results(values),
        )

    def run_alone(self, layer: str, inputs: Mapping[str, _Array], *, optimized: bool) -> F32:
        """One layer, whose tensors are the outputs of the file; *inputs* may hold codes.

        Looked at where the whole file is: with optimizations on at codes, if there are some.
        """
        values = self._run(self._deployed if optimized else self._plain, inputs)
        (tensors,) = (x for x in self.layers if x.layer == layer)
        by_codes = optimized and tensors.codes
        value = _dequantized(by_codes, values) if by_codes else _value(tensors, values)
        return _keras_layout(value, tensors)

    def optimized(self, *, tapped: bool = False) -> onnx.ModelProto:
        """The graph that ONNX Runtime makes of the file with default options, on this CPU."""
        model = self._with_taps(c.tensor for _, c in self._coded()) if tapped else self._source
        with tempfile.TemporaryDirectory(prefix="qconvert-") as folder:
            path = Path(folder) / "optimized.onnx"
            _session(model, optimized=True, saved=path)
            return onnx.load(path, load_external_data=False)

    def optimized_operators(self, *, tapped: bool = False) -> Mapping[str, int]:
        """How often each operator occurs in the graph that ONNX Runtime makes of the file."""
        nodes = self.optimized(tapped=tapped).graph.node
        return Counter(f"{n.domain}:{n.op_type}" if n.domain else n.op_type for n in nodes)

    @property
    def tensors(self) -> Mapping[str, tuple[str, ...]]:
        """The layers whose results are computed, not taken, with the tensors that hold these."""
        taken = {value.name for value in self._model.graph.input}
        taken.update(name for each in self._interface for name in each.numbers)
        return {x.layer: tuple(tensors_of(x)) for x in self.layers if can_be_cut(x, taken)}

    @property
    def coded(self) -> frozenset[str]:
        """The layers whose results are integer codes, which can be tapped as deployed."""
        return frozenset(layer.layer for layer, _ in self._coded())

    @property
    def versions(self) -> Mapping[str, str]:
        """Version of what computes."""
        return {"onnxruntime": ort_process().version}

    @cached_property
    def _deployed(self) -> Session:
        return _session(self._source, optimized=True)

    @cached_property
    def _plain(self) -> Session:
        return _session(self._source, optimized=False)

    def _run_forced(
        self,
        tapped: Sequence[LayerTensor],
        inputs: Mapping[str, F32],
        forced: Mapping[str, F32],
        *,
        optimized: bool,
    ) -> dict[str, F32]:
        """The results of *tapped* layers, optimized with taps on codes alone, and the outputs."""
        layers = tuple(layer for layer in self.layers if layer.layer in forced)
        key = optimized, tuple(layer.layer for layer in layers)
        if key not in self._sessions:
            taps = (x.codes.tensor if optimized and x.codes else _tap(x) for x in tapped)
            model = cut(self._with_taps(taps), layers, codes=optimized)
            self._sessions[key] = _session(model, optimized=optimized)
        session = self._sessions[key]
        return self._run(session, inputs, _typed(feeds(layers, forced), session))

    def _results(self, values: Mapping[str, F32]) -> dict[str, F32]:
        return {self._renamed.get(name, name): self._result(name, values) for name in self.outputs}

    def _result(self, name: str, values: Mapping[str, _Array]) -> F32:
        codes = self._coded_outputs.get(name)
        return floats(codes, values[name]) if codes else values[name]

    def _coded(self) -> list[tuple[LayerTensor, CodesTensor]]:
        return [
            (layer, layer.codes)
            for layer in self.layers
            if layer.codes is not None and layer.codes.tensor not in self._sums
        ]

    def _with_taps(self, tensors: Iterable[str]) -> onnx.ModelProto:
        """The model with further outputs; a tensor that is an input is known anyway."""
        known = {*self.inputs, *self.outputs}
        tapped = onnx.ModelProto()
        tapped.CopyFrom(self._model)
        new = [name for name in dict.fromkeys(tensors) if name not in known]
        tapped.graph.output.extend(onnx.ValueInfoProto(name=name) for name in new)
        return tapped

    def _run(
        self, session: Session, inputs: Mapping[str, _Array], more: Mapping[str, _Array] = NOTHING
    ) -> dict[str, F32]:
        """All outputs of a session, and its inputs, which may be layers' results too.

        *inputs* are numbers, whatever integers the file takes for them.
        """
        if set(inputs) != set(self.inputs):
            raise WitnessError("QC707", f"the ONNX file takes {self.inputs}, not {sorted(inputs)}")
        taken = fed(self._interface, inputs)
        return {**taken, **session.run({**taken, **more}, self._limits)}


def _typed(arrays: Mapping[str, _Array], session: Session) -> dict[str, _Array]:
    """The arrays as the session wants them: it says ``tensor(uint8)``, and float for float32."""
    kinds = {n: kind.removeprefix("tensor(").rstrip(")") for n, kind in session.inputs.items()}
    names = {"float": "float32"}
    known = {name: names.get(kind, kind) for name, kind in kinds.items()}
    return {name: a.astype(known[name]) for name, a in arrays.items() if name in known}


def _fed(graph: onnx.GraphProto) -> list[str]:
    """Inputs that the user supplies; old files list their weights among the inputs."""
    weights = {tensor.name for tensor in graph.initializer}
    return [value.name for value in graph.input if value.name not in weights]


def _tap(layer: LayerTensor) -> str:
    """The tensor to look at for a layer: floats if there are any, else codes."""
    name = layer.tensor or (layer.codes and layer.codes.tensor)
    assert name
    return name


def _value(layer: LayerTensor, values: Mapping[str, _Array]) -> _Array:
    """A layer's output with the axes of the stored tensor."""
    if layer.tensor is not None:
        return values[layer.tensor]
    assert layer.codes is not None
    return _dequantized(layer.codes, values)


def _keras_layout(value: _Array, layer: LayerTensor) -> F32:
    if value.dtype != np.float32:
        raise WitnessError("QC728", f"{layer.layer}: the tensor {layer.tensor} is {value.dtype}")
    if layer.perm is None:
        return value
    if len(layer.perm) != value.ndim:
        raise WitnessError(
            "QC728", f"{layer.layer}: {value.ndim} axes, and the order {layer.perm} of them"
        )
    # It is compared many times, and with arrays in this order.
    return np.ascontiguousarray(np.transpose(value, layer.perm))


def _dequantized(tensor: CodesTensor, values: Mapping[str, _Array]) -> F32:
    """The values that codes stand for: exact, for codes and zero point are small integers."""
    codes = values[tensor.tensor]
    if codes.dtype.kind not in "iu":
        raise WitnessError("QC728", f"the codes {tensor.tensor} are {codes.dtype}")
    steps = codes.astype(np.int64) - tensor.zero_point
    result: F32 = np.ldexp(steps.astype(np.float64), np.array(tensor.exp)).astype(np.float32)
    return result


def _session(
    model: onnx.ModelProto | Path, *, optimized: bool, saved: Path | None = None
) -> Session:
    """A session with default options; ``saved`` takes the graph after optimization."""
    return ort_process().session(model, optimized=optimized, saved=saved)
