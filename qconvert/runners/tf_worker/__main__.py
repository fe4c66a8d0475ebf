"""TensorFlow and QKeras as a witness: a stand-alone program that imports nothing of qconvert.

It is started by the path of its folder. The interpreter has QKeras 0.9.0, whose models are
Keras 2's (tf_keras), or qkeras-v3, or no QKeras, with which Keras 3 loads what is its own.

It reads requests, one JSON object a line, from standard input and answers each with one JSON
object a line on the original standard output; what libraries print goes to standard error.
Every answer repeats the request's ``id``; a failed request is answered with ``error``,
``type`` and ``traceback``.

load    {model, weights} -> {versions, inputs, outputs, layers}
opaque  {class_name, config, shapes, names, arguments, weights, output}
        -> {converter, shape, roles} or {refused}: one call of a stock layer as an ONNX file, by
        tf2onnx; the last inputs are given by their names
convert {model, output} -> {} or {refused}: the SavedModel folder *model* as an ``.h5`` file
run     {inputs, outputs} -> {keys}: all layers and outputs of ``model(x, training=False)``
predict {inputs} -> {differences}: where graph mode disagrees with eager mode
weights {outputs} -> {keys}: the weights that the layers compute with, as ``layer/role``
tf2onnx {model, weights, output} -> {converter} or {refused}: the model as tf2onnx converts it
start   {kind, file, weights, threads} -> {seconds, bytes}: the program that the next four are
        about; bytes if it converts the model to a file of its own
results {inputs, outputs, most} -> {keys} or {refused}: its outputs, by their places; or their
        bytes, if these are more than so many
time    {inputs, seconds} -> {seconds}: the fastest of calls for so many seconds
profile {file, threads, inputs} -> {operators}: what each operator of an ONNX file takes
peak    {} -> {bytes}: the largest resident memory of this process
stop    {}

Arrays travel in npz files. States that layers keep from call to call are further inputs and
outputs: `states`. The result of a layer is named by its trace key: the path of layer
names through nested models, ``@k`` behind a part for the k-th further call of that shared layer
or model. A result of the model is named ``output:`` and the name of the output layer.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

# A folder that is started is no package; now it is.
if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    __package__ = "tf_worker"
from . import keras3
from .arrays import arrays_of, few, keys_of
from .left_out import leave_out, with_all_needed
from .loading import load_model
from .opaque import opaque
from .programs import to_onnx
from .quantizers import described, quantized, quantizer_of
from .saved_model import convert
from .states import State, batches, joined, new, put, states
from .timing import Timer, peak
from .tracing import (
    difference,
    dtype_of,
    input_names,
    named_outputs,
    output_names,
    recording,
    run_eagerly,
    trace_keys,
)
from .weights import effective_weights, unquantized_folded_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TextIO

    from .aliases import Array, Config, Json, Layer

ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
#: TensorFlow's own default depends on the processor; with oneDNN, batch normalization is plain
#: IEEE arithmetic, the same everywhere. Who sets the variable compares with the other program.
#: ONNX Runtime would keep records of its runs below the user's home, and send them.
DEFAULTS = {"TF_ENABLE_ONEDNN_OPTS": "1", "ORT_DISABLE_TELEMETRY": "1"}
#: Settings that put other programs in the place of sums of products: those that are made are told.
OTHER_KERNELS = ("TF_USE_DEEP_CONV2D", "ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE")
#: Objects after which Python looks for cycles: by default it does a thousand times while TensorFlow
#: is imported, and finds nothing in a fifth of that time.
OBJECTS = 200_000
#: Before the names of layers whose results are given.
FORCED = "forced:"


# ---- The protocol ----


class Worker:
    """The answers to requests, once a model is loaded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._model: Layer = None
        self._states: list[State] = []
        self._timer = Timer(folder)

    def answer(self, request: Json) -> Config:
        """The answer to one request."""
        do = request["do"]
        if do == "load":
            return self.load(request)
        if do == "run":
            return self.run(request)
        if do == "predict":
            return self.predict(request)
        if do == "convert":
            return convert(request)
        if do == "opaque":
            return opaque(request)
        if do == "weights":
            return keys_of(request["outputs"], effective_weights(self._model))
        if do == "quantizer":
            return {"quantizer": described(quantizer_of(self._model, request["layer"]))}
        if do == "quantize":
            return self.quantize(request)
        if do == "folded":
            return keys_of(request["outputs"], unquantized_folded_weights(self._model))
        return self.timing(request)

    def timing(self, request: Json) -> Config:
        """The answer to a request that is about costs."""
        do = request["do"]
        if do == "tf2onnx":
            return to_onnx(request, self._folder)
        if do == "start":
            return self._timer.start(request)
        if do == "results":
            return few(request, self._timer.results(request))
        if do == "time":
            return self._timer.time(request)
        if do == "profile":
            return self._timer.profile(request)
        if do == "peak":
            return peak()
        raise ValueError(f"unknown request {do!r}")

    def load(self, request: Json) -> Config:
        """Load a model and describe it."""
        weights = request.get("weights")
        model = load_model(Path(request["model"]), Path(weights) if weights else None, self._folder)
        self._model, self._states = model, list(states(model))
        inputs = zip(input_names(model), model.inputs, strict=True)
        taken = [*inputs, *((state.taken, state.variable) for state in self._states)]
        return {
            "versions": versions(model),
            "inputs": [
                {"name": name, "shape": list(tensor.shape), "dtype": dtype_of(tensor)}
                for name, tensor in taken
            ],
            "outputs": [*output_names(model), *(state.returned for state in self._states)],
            "layers": trace_keys(model),
        }

    def run(self, request: Json) -> Config:
        """Run the model eagerly and write what every layer returned."""
        arrays = self._read(request)
        arrays |= {f"{FORCED}{k}": a for k, a in arrays_of(request.get("forced")).items()}
        parts = [self._recorded(batch) for batch in batches(arrays, self._states)]
        return keys_of(request["outputs"], joined(parts, arrays))

    def _recorded(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        values: dict[str, Array] = {}
        forced = {k.removeprefix(FORCED): a for k, a in batch.items() if k.startswith(FORCED)}
        with recording(self._model, values, forced):
            outputs = self._outputs({k: a for k, a in batch.items() if not k.startswith(FORCED)})
        return values | {f"output:{name}": value for name, value in outputs.items()}

    def _outputs(self, batch: Mapping[str, Array], *, graph: bool = False) -> dict[str, Array]:
        """The outputs and new states of one batch, of ``predict`` in graph mode."""
        model, inputs = self._model, self._tensors(batch)
        put(self._states, batch)
        if graph:
            outputs = named_outputs(model, model.predict_on_batch(inputs))
        else:
            outputs = run_eagerly(model, inputs)
        return outputs | new(self._states)

    def predict(self, request: Json) -> Config:
        """Compare the outputs of graph mode with those of eager mode."""
        if keras3.holds(self._model) and keras3.installed("qkeras"):
            # QKeras 0.9.0 has no graph mode with Keras 3: its predict works only so.
            self._model.run_eagerly = True
        arrays = self._read(request)
        found = list(batches(arrays, self._states))
        eager = joined([self._outputs(batch) for batch in found], arrays)
        graph = joined([self._outputs(batch, graph=True) for batch in found], arrays)
        return {"differences": {name: difference(eager[name], graph[name]) for name in eager}}

    def quantize(self, request: Json) -> Config:
        """What the quantizer of one layer makes of numbers."""
        (x,) = arrays_of(request["inputs"]).values()
        y = quantized(quantizer_of(self._model, request["layer"]), x, request["size"])
        return keys_of(request["outputs"], {"y": y})

    def _read(self, request: Json) -> dict[str, Array]:
        """What the model takes, states included."""
        import numpy as np

        names = [*input_names(self._model), *(state.taken for state in self._states)]
        with np.load(request["inputs"], allow_pickle=False) as arrays:
            if set(arrays) != set(names):
                raise ValueError(f"inputs {sorted(arrays)}, the model takes {names}")
            return {name: arrays[name] for name in names}

    def _tensors(self, batch: Mapping[str, Array]) -> Layer:
        """The tensors that the model takes, in its order."""
        import tensorflow as tf

        tensors = [
            tf.constant(batch[name].astype(dtype_of(tensor)))
            for name, tensor in zip(input_names(self._model), self._model.inputs, strict=True)
        ]
        return tensors if len(tensors) > 1 else tensors[0]


def versions(model: Layer) -> dict[str, str]:
    """What computed the results."""
    names = ["tensorflow", "keras" if keras3.holds(model) else "tf_keras", "numpy"]
    names += [name for name in ("qkeras", "qkeras-v3") if keras3.installed(name)]
    return {
        "python": sys.version.partition(" ")[0],
        **{name: keras3.version(name) for name in names},
        "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        **{name: os.environ[name] for name in OTHER_KERNELS if os.environ.get(name)},
    }


def failure(error: BaseException) -> dict[str, str]:
    """An error as an answer."""
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    message = str(error) or type(error).__name__
    return {"error": message, "type": type(error).__name__, "traceback": "".join(lines)}


def serve(requests: Iterable[str], replies: TextIO) -> None:
    """Answer requests until there are no more."""
    with tempfile.TemporaryDirectory(prefix="qconvert-worker-") as folder:
        worker = Worker(Path(folder))
        for line in requests:
            request = json.loads(line)
            if request["do"] == "stop":
                return
            try:
                answer = with_all_needed(partial(worker.answer, request))
            except Exception as error:
                answer = failure(error)
            print(json.dumps({"id": request.get("id"), **answer}), file=replies, flush=True)


def main() -> None:
    """Keep standard output for answers, and serve."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.environ.update({**DEFAULTS, **os.environ, **ENVIRONMENT})
    leave_out()
    # The folder around comes first, where modules could hide those of TensorFlow.
    here = Path(__file__).resolve().parents[1]
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]
    gc.set_threshold(OBJECTS)
    serve(sys.stdin, replies)
    sys.stdout.flush()
    # Python would take a second to take TensorFlow apart.
    os._exit(0)


if __name__ == "__main__":
    main()
