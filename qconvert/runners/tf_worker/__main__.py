"""TensorFlow and QKeras as a witness: a stand-alone program that imports nothing of qconvert.

It is started by the path of its folder. The interpreter has QKeras 0.9.0, whose models are
Keras 2's (tf_keras), or qkeras-v3, or no QKeras, with which Keras 3 loads what is its own.

It reads requests, one JSON object a line, from standard input and answers each with one JSON
object a line on the original standard output; what libraries print goes to standard error.
Every answer repeats the request's ``id``; a failed request is answered with ``error``,
``type`` and ``traceback``.

load    {model, weights} -> {versions, inputs, outputs, layers}
run     {inputs, outputs} -> {keys}: all layers and outputs of ``model(x, training=False)``
predict {inputs} -> {differences}: where graph mode disagrees with eager mode
weights {outputs} -> {keys}: the weights that the layers compute with, as ``layer/role``
stop    {}

Arrays travel in npz files. The result of a layer is named by its trace key: the path of layer
names through nested models, ``@k`` behind a part for the k-th further call of that shared layer
or model. A result of the model is named ``output:`` and the name of the output layer.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import traceback
import zipfile
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

# A folder that is started is no package; now it is.
if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    __package__ = "tf_worker"
from . import keras3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TextIO, TypeAlias

    import numpy as np

    Array: TypeAlias = np.ndarray[Any, Any]
    #: Objects of tf_keras, which has no types.
    Layer: TypeAlias = Any
    Json: TypeAlias = Any
    Config: TypeAlias = dict[str, Any]

ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
LEGACY = {"TF_USE_LEGACY_KERAS": "1"}
#: TensorFlow's own default depends on the processor; with oneDNN, batch normalization is plain
#: IEEE arithmetic, the same everywhere. Who sets the variable compares with the other program.
DEFAULTS = {"TF_ENABLE_ONEDNN_OPTS": "1"}


# ---- Loading: no code of a file is run, and old files load ----

#: Keras 2.13 and 2.14 name the group of a model's layers so; the others ``layers``.
OLD_LAYERS = "_layer_checkpoint_dependencies"
SAFE_PACKAGES = {"builtins", "fkeras", "keras", "qkeras", "tf_keras"}
SAFE_PACKAGES |= {"tensorflow_model_optimization"}
#: Namespaces of the TensorFlow functions that a ``TFOpLambda`` may call; others touch files.
SAFE_NAMESPACES = {"__operators__", "bitwise", "image", "linalg", "math", "nn"}
#: What ``tf.pad``, ``tf.squeeze`` and ``tf.transpose`` are called in files.
SAFE_FUNCTIONS = {"compat.v1.pad", "compat.v1.squeeze", "compat.v1.transpose"}
UNSAFE_FUNCTIONS = {"function", "load_library", "load_op_library", "numpy_function", "print"}
UNSAFE_FUNCTIONS |= {"py_function", "recompute_grad"}
FAULT_OPTIONS = {"ber", "bias_ber", "bit_loc", "is_training", "kernel_ber", "rad"}
NORMALIZATION_OPTIONS = {"axis", "momentum", "epsilon", "center", "scale", "fused"} | {
    f"{role}_{kind}"
    for role in ("beta", "gamma", "moving_mean", "moving_variance")
    for kind in ("initializer", "regularizer", "constraint")
}


def load_model(path: Path, weights: Path | None, folder: Path) -> Layer:
    """The Keras model in a file; ``folder`` takes copies of files that need to be changed."""
    config, text, keras_version = read_config(path)
    refuse_code(config)
    if keras3.wanted(config, keras_version):
        os.environ.update(keras3.ENVIRONMENT)
        model = keras3.load_model(path, text, weights, folder)
    else:
        os.environ.update(LEGACY)
        model = load_legacy(path, text, weights, folder)
    if not is_container(model) or model.inputs is None:
        raise ValueError("neither a Sequential nor a Functional model with known input shapes")
    refresh(model)
    return model


def refresh(model: Layer) -> None:
    """Let adaptive activations take up the range that they have learned.

    QKeras does so at the end of the first call after loading, which computes with 0 integer bits.
    """
    import tensorflow as tf

    for layer in all_layers(model):
        if type(layer).__name__ == "QAdaptiveActivation":
            layer.call(tf.zeros((1, layer.ema_min.shape[0])), training=False)


def load_legacy(path: Path, text: str, weights: Path | None, folder: Path) -> Layer:
    """The model of Keras 2 in a file."""
    import h5py
    import tf_keras

    if path.suffix == ".keras" or zipfile.is_zipfile(path):
        source = repaired_archive(path, folder)
    else:
        source = named(path, folder / "model.h5")
    with tf_keras.utils.custom_object_scope(custom_objects()):
        if not h5py.is_hdf5(path) and not zipfile.is_zipfile(path):
            model = tf_keras.models.model_from_json(text)
        else:
            model = tf_keras.models.load_model(source, compile=False)
        if weights is not None:
            model.load_weights(repaired_weights(weights, folder))
    return model


def read_config(path: Path) -> tuple[Json, str, str | None]:
    """The architecture in a model file and the Keras that wrote it, without a look at the rest."""
    import h5py

    keras_version = None

    if path.is_dir():
        raise ValueError(f"{path} is a folder; SavedModels are not supported")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            text = archive.read("config.json").decode()
            keras_version = json.loads(archive.read("metadata.json")).get("keras_version")
    elif h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            if "model_config" not in file.attrs:
                raise ValueError(f"{path} holds weights only, no model")
            stored = file.attrs["model_config"]
            text = stored.decode() if isinstance(stored, bytes) else str(stored)
            stated = file.attrs.get("keras_version")
            keras_version = stated.decode() if isinstance(stated, bytes) else stated
    else:
        text = path.read_text(encoding="utf-8")
        keras_version = json.loads(text).get("keras_version")
    return json.loads(text), text, keras_version


def refuse_code(config: Json) -> None:
    """Raise `ValueError` if a configuration holds Python code or names unknown code."""
    pending = [config]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            refuse_object(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def refuse_object(item: Config) -> None:
    """Raise `ValueError` if one object of a configuration is, or may be, foreign code."""
    name, module = str(item.get("class_name")), item.get("module")
    if name.rpartition(">")[2] in ("Lambda", "__lambda__", "TFSMLayer"):
        raise ValueError(f"{name} contains Python code; it is not executed")
    if isinstance(module, str) and module.partition(".")[0] not in SAFE_PACKAGES:
        raise ValueError(f"{name} is defined in the unknown module {module}; it is not imported")
    inner = item.get("config")
    if name in ("TFOpLambda", "SlicingOpLambda") and isinstance(inner, dict):
        namespace, dot, function = str(inner.get("function")).rpartition(".")
        if str(inner.get("function")) in SAFE_FUNCTIONS:
            return
        if namespace not in SAFE_NAMESPACES if dot else function in UNSAFE_FUNCTIONS:
            raise ValueError(f"{name} calls {inner.get('function')}; it is not executed")


def named(path: Path, copy: Path) -> Path:
    """*path* if it has the suffix of *copy*, by which Keras tells formats apart, else a copy."""
    if path.suffix == copy.suffix:
        return path
    shutil.copyfile(path, copy)
    return copy


def repaired_archive(path: Path, folder: Path) -> Path:
    """A ``.keras`` file with the names of groups that today's Keras reads."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = folder / "model.weights.h5"
    weights.write_bytes(members["model.weights.h5"])
    if not rename_groups(weights):
        return named(path, folder / "model.keras")
    members["model.weights.h5"] = weights.read_bytes()
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return folder / "model.keras"


def repaired_weights(path: Path, folder: Path) -> Path:
    """A weights file under the name by which Keras tells the old format from the new one."""
    import h5py

    with h5py.File(path, "r") as file:
        old = "layer_names" in file.attrs or "model_weights" in file
    copy = folder / ("weights.h5" if old else "new.weights.h5")
    shutil.copyfile(path, copy)
    if not old:
        rename_groups(copy)
    return copy


def rename_groups(path: Path) -> bool:
    """Rename the groups of Keras 2.13 and 2.14 in a weights file; whether there were any."""
    import h5py

    found: list[str] = []
    with h5py.File(path, "r+") as file:
        file.visit(lambda name: found.append(name) if name.endswith(OLD_LAYERS) else None)
        for name in sorted(found, key=len, reverse=True):
            file.move(name, name[: -len(OLD_LAYERS)] + "layers")
    return bool(found)


def custom_objects() -> dict[str, object]:
    """All of QKeras, what its files need besides, and what TensorFlow has lost since."""
    import qkeras
    import tensorflow as tf
    from qkeras.utils import _add_supported_quantized_objects
    from tensorflow.python.ops import array_ops
    from tensorflow.python.util import nest
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_wrapper

    array_ops.stack, array_ops.unstack, nest.is_sequence = tf.stack, tf.unstack, nest.is_nested
    known: dict[str, object] = {}
    _add_supported_quantized_objects(known)
    known["quantized_hswish"] = built_from(qkeras.quantized_hswish, without_sign)
    known["PruneLowMagnitude"] = pruning_wrapper.PruneLowMagnitude
    known["QActivation"] = built_from(qkeras.QActivation, with_quantizer)
    known["FQDense"] = built_from(qkeras.QDense, without_faults)
    known["FQConv2D"] = built_from(qkeras.QConv2D, without_faults)
    known["QDenseBatchnorm"] = dense_batchnorm()
    return known


def built_from(base: type, read: Callable[[Config], Config]) -> type:
    """A stand-in that Keras deserializes to *base*, from a configuration that *read* adapts."""
    return type(
        base.__name__, (base,), {"from_config": classmethod(lambda _, config: base(**read(config)))}
    )


def with_quantizer(config: Config) -> Config:
    """QActivation takes a string or an object; a ``.keras`` file gives it a dictionary."""
    import qkeras

    if not isinstance(config["activation"], dict):
        return config
    return {**config, "activation": qkeras.get_quantizer(config["activation"])}


def without_sign(config: Config) -> Config:
    """QKeras's quantized_hswish saves an option of its base that it does not take."""
    return {key: value for key, value in config.items() if key != "keep_negative"}


def without_faults(config: Config) -> Config:
    """Options of QDense and QConv2D alone, from those of fkeras, which can inject faults."""
    if any(config.get(rate) for rate in ("ber", "kernel_ber", "bias_ber")):
        raise ValueError(f"{config.get('name')}: fault injection is switched on")
    return {key: value for key, value in config.items() if key not in FAULT_OPTIONS}


def dense_batchnorm() -> type:
    """``QDenseBatchnorm``, which QKeras 0.9.0 lacks, as its QConv2DBatchnorm works at inference."""
    import qkeras
    import tensorflow as tf
    import tf_keras

    class QDenseBatchnorm(qkeras.QDense):  # type: ignore[misc]
        def __init__(self, dense: Config, normalization: Config) -> None:
            super().__init__(**dense)
            self.batchnorm = tf_keras.layers.BatchNormalization(**normalization)

        @classmethod
        def from_config(cls, config: Config) -> Layer:
            other = NORMALIZATION_OPTIONS | {"ema_freeze_delay", "folding_mode"}
            return cls(
                {key: value for key, value in config.items() if key not in other},
                {key: value for key, value in config.items() if key in NORMALIZATION_OPTIONS},
            )

        def build(self, input_shape: Layer) -> None:
            super().build(input_shape)
            self.batchnorm.build(self.compute_output_shape(input_shape))
            self._iteration = tf.Variable(-1, trainable=False, name="iteration", dtype=tf.int64)

        def get_folded_weights(self) -> list[Layer]:
            normalization = self.batchnorm
            inv = tf.math.rsqrt(normalization.moving_variance + normalization.epsilon)
            if normalization.gamma is not None:
                inv *= normalization.gamma
            bias = (self.bias if self.use_bias else 0) - normalization.moving_mean
            return [inv * self.kernel, inv * bias + normalization.beta]

        def call(self, inputs: Layer) -> Layer:
            weights = folded_weights(self)
            y = tf_keras.backend.dot(inputs, weights["kernel"])
            y = tf_keras.backend.bias_add(y, weights["bias"], data_format="channels_last")
            return y if self.activation is None else self.activation(y)

    return QDenseBatchnorm


# ---- Tracing: every call of every layer, under the name it has in the file ----


def is_container(layer: Layer) -> bool:
    """Whether a layer is a model of layers, which are traced in its place."""
    if keras3.holds(layer):
        return keras3.is_container(layer)
    from tf_keras.src.engine.functional import Functional

    return isinstance(layer, Functional)


def calls(model: Layer) -> list[tuple[Layer, str]]:
    """The layers of a model in the order in which it calls them, each with its part of the key.

    The order is that of ``Functional._run_internal_graph``. Calls are numbered as
    ``get_network_config`` writes them to a file: by position among the layer's own nodes.
    """
    if any(base.__name__ == "Sequential" for base in type(model).__mro__):
        return [(layer, layer.name) for layer in model.layers]
    result = []
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input:
                layer = node.operation if keras3.holds(model) else node.layer
                k = own_nodes(model, layer).index(node)
                result.append((layer, f"{layer.name}@{k}" if k else layer.name))
    return result


def own_nodes(model: Layer, layer: Layer) -> list[Layer]:
    """The calls of a layer that belong to a model, in the order in which they were made."""
    if keras3.holds(model):
        return keras3.own_nodes(model, layer)
    nodes = enumerate(layer._inbound_nodes)
    return [node for i, node in nodes if f"{layer.name}_ib-{i}" in model._network_nodes]


def trace_keys(model: Layer, prefix: str = "") -> list[str]:
    """The names of all results that running the model records."""
    keys = []
    for layer, part in calls(model):
        if is_container(layer):
            keys += trace_keys(layer, f"{prefix}{part}/")
        else:
            keys += [f"{prefix}{part}:{i}" if i else prefix + part for i in range(results(layer))]
    return keys


def results(layer: Layer) -> int:
    """How many tensors every call of a layer returns."""
    import tensorflow as tf

    return len(tf.nest.flatten(layer._inbound_nodes[0].outputs))


class Frame:
    """One call of a model under way: the calls of its layers that are still to come."""

    def __init__(self, model: Layer, prefix: str) -> None:
        self.prefix = prefix
        self.parts: dict[int, deque[str]] = {}
        for layer, part in calls(model):
            self.parts.setdefault(id(layer), deque()).append(part)

    def next_key(self, layer: Layer) -> str:
        """The name of the call that *layer* makes now."""
        return self.prefix + self.parts[id(layer)].popleft()


@contextmanager
def recording(model: Layer, values: dict[str, Array]) -> Iterator[None]:
    """Have every layer's results put into *values* while the block runs."""
    frames = [Frame(model, "")]
    inside_leaf: list[Layer] = []

    def record(layer: Layer, call: Callable[..., Layer]) -> Callable[..., Layer]:
        def recorded(*args: Layer, **kwargs: Layer) -> Layer:
            if inside_leaf:
                return call(*args, **kwargs)
            key = frames[-1].next_key(layer)
            stack = frames if is_container(layer) else inside_leaf
            stack.append(Frame(layer, f"{key}/") if stack is frames else layer)
            try:
                result = call(*args, **kwargs)
            finally:
                stack.pop()
            if stack is inside_leaf:
                store(values, key, result)
            return result

        return recorded

    replaced = {id(layer): (layer, layer.__dict__.get("call")) for layer in all_layers(model)}
    try:
        for layer, _ in replaced.values():
            layer.__dict__["call"] = record(layer, layer.call)
        yield
    finally:
        for layer, call in replaced.values():
            del layer.__dict__["call"]
            if call is not None:
                layer.__dict__["call"] = call


def all_layers(model: Layer) -> Iterator[Layer]:
    """All layers below a model, nested models included, some perhaps twice."""
    for layer, _ in calls(model):
        yield layer
        if is_container(layer):
            yield from all_layers(layer)


def store(values: dict[str, Array], key: str, result: Layer) -> None:
    """Keep one call's result; of several tensors, all but the first with ``:i`` behind the key."""
    import tensorflow as tf

    for i, tensor in enumerate(tf.nest.flatten(result)):
        name = f"{key}:{i}" if i else key
        if name in values:
            raise RuntimeError(f"two results are called {name}")
        values[name] = as_float32(tensor.numpy(), name)


def as_float32(value: Array, name: str) -> Array:
    """*value* as float32; an error if that changes it."""
    import numpy as np

    result = value.astype(np.float32)
    if value.dtype.kind in "iu" or value.dtype == np.float64:
        unchanged = result.astype(np.float64) == value.astype(np.float64)
        if not np.all(unchanged | (value != value)):
            raise ValueError(f"{name}: {value.dtype} values that float32 does not hold")
    return result


def run_eagerly(model: Layer, inputs: Layer) -> dict[str, Array]:
    """The outputs of ``model(x, training=False)``, by name."""
    return named_outputs(model, model(inputs, training=False))


def named_outputs(model: Layer, outputs: Layer) -> dict[str, Array]:
    """The model's outputs by name, from whatever structure the model returns."""
    import numpy as np
    import tensorflow as tf

    flat = [np.asarray(value) for value in tf.nest.flatten(outputs)]
    names = output_names(model)
    if len(flat) != len(names):
        raise RuntimeError(f"{len(flat)} outputs, but {len(names)} names")
    return {name: as_float32(y, name) for name, y in zip(names, flat, strict=True)}


def input_names(model: Layer) -> list[str]:
    """The names of the model's inputs, in its order."""
    return keras3.names_of(model.inputs) if keras3.holds(model) else list(model.input_names)


def output_names(model: Layer) -> list[str]:
    """The names of the model's outputs, in its order."""
    return keras3.names_of(model.outputs) if keras3.holds(model) else list(model.output_names)


def dtype_of(tensor: Layer) -> str:
    """The name of a tensor's type, which Keras 3 has for the type itself."""
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def difference(eager: Array, graph: Array) -> dict[str, float]:
    """How two results differ; NaN is equal to NaN."""
    import numpy as np

    differs = ~((eager == graph) | (np.isnan(eager) & np.isnan(graph)))
    with np.errstate(invalid="ignore"):
        distances = np.abs(eager.astype(np.float64) - graph.astype(np.float64))[differs]
    return {
        "different": int(differs.sum()),
        "elements": int(differs.size),
        "max_abs": float(distances.max()) if distances.size else 0.0,
    }


# ---- Weights: as the layer computes with them, matched by name ----


def effective_weights(model: Layer, prefix: str = "") -> dict[str, Array]:
    """The weights of every layer after its quantizers, by ``layer/role``.

    Recurrent layers are represented by their cell; the weights of ``Bidirectional`` have the
    direction before their name.
    """
    result: dict[str, Array] = {}
    for layer in model.layers:
        if is_container(layer):
            result.update(effective_weights(layer, f"{prefix}{layer.name}/"))
            continue
        for direction, part in parts_of(layer):
            for role, value in layer_weights(unwrapped(part)).items():
                name = f"{prefix}{layer.name}/{direction}{role}"
                result[name] = as_float32(value.numpy(), layer.name)
    return result


def parts_of(layer: Layer) -> list[tuple[str, Layer]]:
    """The layers that hold the weights of *layer*, with what goes before their names."""
    if hasattr(layer, "backward_layer"):
        return [("forward_", layer.forward_layer), ("backward_", layer.backward_layer)]
    return [("", layer)]


def unwrapped(layer: Layer) -> Layer:
    """The layer that computes: inside a wrapper (of pruning: masked); a cell."""
    if type(layer).__name__ == "PruneLowMagnitude":
        layer.pruning_obj.weight_mask_op()
        layer = layer.layer
    while type(layer).__name__ == "TimeDistributed":
        layer = layer.layer
    return getattr(layer, "cell", layer)


def layer_weights(layer: Layer) -> dict[str, Layer]:
    """One layer's effective weights by Keras's variable names; counters have none."""
    if hasattr(layer, "get_folded_weights"):
        return folded_weights(layer)
    if type(layer).__name__ == "MultiHeadAttention":
        return projection_weights(layer)
    kind = "variables" if keras3.holds(layer) else "weights"
    own = [*getattr(layer, f"_trainable_{kind}"), *getattr(layer, f"_non_trainable_{kind}")]
    roles = {variable.name.rpartition("/")[2].partition(":")[0]: variable for variable in own}
    return {
        role: quantized(layer, role, variable)
        for role, variable in roles.items()
        if "float" in dtype_of(variable) and role != "variable"
    }


def projection_weights(layer: Layer) -> dict[str, Layer]:
    """The weights of the four dense layers in an attention."""
    inner = {
        "query": layer._query_dense,
        "key": layer._key_dense,
        "value": layer._value_dense,
        "attention_output": layer._output_dense,
    }
    return {
        f"{part}/{role}": value
        for part, dense in inner.items()
        for role, value in layer_weights(dense).items()
    }


def folded_weights(layer: Layer) -> dict[str, Layer]:
    """Kernel and bias with the batch normalization folded in, then quantized."""
    role = "depthwise_kernel" if hasattr(layer, "depthwise_quantizer_internal") else "kernel"
    read = keras3.folded_weights if keras3.holds(layer) else type(layer).get_folded_weights
    kernel, bias = read(layer)
    return {role: quantized(layer, role, kernel), "bias": quantized(layer, "bias", bias)}


def quantized(layer: Layer, role: str, value: Layer) -> Layer:
    """*value* through the layer's quantizer of that role, if there is one."""
    import tensorflow as tf

    if type(layer).__name__ == "QGRUCell" and role == "recurrent_kernel":
        # QKeras 0.9.0 takes the other variable where this one has no quantizer.
        value = value if layer.recurrent_quantizer or keras3.holds(layer) else layer.kernel
    quantizer = quantizer_of(layer, role)
    if quantizer is None:
        return tf.convert_to_tensor(value)
    if type(layer).__name__ == "QSeparableConv1D" and role != "bias":
        # The layer computes in two dimensions and quantizes after it has added one.
        return tf.squeeze(quantizer(tf.expand_dims(value, 0)), 0)
    mask = getattr(layer, "_mask", None) if role == "kernel" else None
    return tf.convert_to_tensor(quantizer(value) if mask is None else quantizer(value) * mask)


def quantizer_of(layer: Layer, role: str) -> Layer:
    """The quantizer object of a weight, None if there is none."""
    stem = role.replace("moving_", "")
    shorter = stem if stem == "kernel" else stem.replace("_kernel", "")
    for name in (shorter, stem):
        quantizer = getattr(layer, f"{name}_quantizer_internal", None)
        if quantizer is not None:
            return quantizer
    return None


# ---- The protocol ----


class Worker:
    """The answers to requests, once a model is loaded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._model: Layer = None

    def answer(self, request: Json) -> Config:
        """The answer to one request."""
        do = request["do"]
        if do == "load":
            return self.load(request)
        if do == "run":
            return self.run(request)
        if do == "predict":
            return self.predict(request)
        if do == "weights":
            return keys_of(request["outputs"], effective_weights(self._model))
        raise ValueError(f"unknown request {do!r}")

    def load(self, request: Json) -> Config:
        """Load a model and describe it."""
        weights = request.get("weights")
        model = load_model(Path(request["model"]), Path(weights) if weights else None, self._folder)
        self._model = model
        return {
            "versions": versions(model),
            "inputs": [
                {"name": name, "shape": list(tensor.shape), "dtype": dtype_of(tensor)}
                for name, tensor in zip(input_names(model), model.inputs, strict=True)
            ],
            "outputs": output_names(model),
            "layers": trace_keys(model),
        }

    def run(self, request: Json) -> Config:
        """Run the model eagerly and write what every layer returned."""
        values: dict[str, Array] = {}
        inputs = self._read(request)
        with recording(self._model, values):
            outputs = run_eagerly(self._model, inputs)
        values.update({f"output:{name}": value for name, value in outputs.items()})
        return keys_of(request["outputs"], values)

    def predict(self, request: Json) -> Config:
        """Compare the outputs of graph mode with those of eager mode."""
        inputs = self._read(request)
        eager = run_eagerly(self._model, inputs)
        if keras3.holds(self._model) and keras3.installed("qkeras"):
            # QKeras 0.9.0 has no graph mode with Keras 3: its predict works only so.
            self._model.run_eagerly = True
        graph = named_outputs(self._model, self._model.predict_on_batch(inputs))
        return {"differences": {name: difference(eager[name], graph[name]) for name in eager}}

    def _read(self, request: Json) -> Layer:
        """The tensors that the model takes, in its order."""
        import numpy as np
        import tensorflow as tf

        model = self._model
        with np.load(request["inputs"], allow_pickle=False) as arrays:
            names = input_names(model)
            if set(arrays) != set(names):
                raise ValueError(f"inputs {sorted(arrays)}, the model takes {names}")
            tensors = [
                tf.constant(arrays[name].astype(dtype_of(tensor)))
                for name, tensor in zip(names, model.inputs, strict=True)
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
    }


def keys_of(path: str, arrays: Mapping[str, Array]) -> Config:
    """Write arrays to an npz file, which appears complete or not at all; return their names."""
    import numpy as np

    part = Path(f"{path}.part")
    # np.savez takes names as keyword arguments: a layer called "file" would break it.
    with zipfile.ZipFile(part, "w", allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
    part.replace(path)
    return {"keys": list(arrays)}


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
                answer = worker.answer(request)
            except Exception as error:
                answer = failure(error)
            print(json.dumps({"id": request.get("id"), **answer}), file=replies, flush=True)


def main() -> None:
    """Keep standard output for answers, and serve."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.environ.update({**DEFAULTS, **os.environ, **ENVIRONMENT})
    # The folder around comes first, where modules could hide those of TensorFlow.
    here = Path(__file__).resolve().parents[1]
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]
    serve(sys.stdin, replies)


if __name__ == "__main__":
    main()
