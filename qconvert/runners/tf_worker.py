"""TensorFlow and QKeras as a witness: a stand-alone script that imports nothing of qconvert.

It reads requests, one JSON object a line, from standard input and answers each with one JSON
object a line on the original standard output; what libraries print goes to standard error.
Every answer repeats the request's ``id``; a failed request is answered with ``error``,
``type`` and ``traceback``.

load    {model, weights} -> {versions, inputs, outputs, layers}
opaque  {class_name, config, shapes, weights, output} -> {converter, shape, roles} or {refused}:
        one stock layer as an ONNX file, by tf2onnx
convert {model, output} -> {} or {refused}: the SavedModel folder *model* as an ``.h5`` file
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
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import ModuleType
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
    "TF_USE_LEGACY_KERAS": "1",
}
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
    import h5py
    import tf_keras

    config, text = read_config(path)
    refuse_code(config)
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
    if not is_container(model) or model.inputs is None:
        raise ValueError("neither a Sequential nor a Functional model with known input shapes")
    return model


def read_saved_model(folder: Path) -> Layer:
    """The Keras model in a SavedModel folder, from its configuration and its variables.

    Keras keeps both beside the graphs, so that nothing of these is loaded or run.
    `ValueError` where there is no such model, or where it would take code to make it.
    """
    import tf_keras
    from tf_keras.src.saving.legacy.saved_model import json_utils

    text = keras_metadata(folder)
    metadata = json.loads(text)
    refuse_code(metadata)
    name, config = metadata.get("class_name"), metadata.get("config")
    if not config:
        raise ValueError(f"the model ({name}) has no configuration, only graphs")
    if name not in ("Functional", "Model", "Sequential"):
        raise ValueError(f"the model is of class {name}, which is code that the folder lacks")
    entry = {"class_name": name, "config": json_utils.decode(text)["config"]}
    with tf_keras.utils.custom_object_scope(custom_objects()):
        model = tf_keras.models.model_from_config(entry)
        if not is_container(model) or model.inputs is None:
            raise ValueError("neither a Sequential nor a Functional model with known input shapes")
        if model.weights:
            status = model.load_weights(folder)
            status.assert_existing_objects_matched()
            status.expect_partial()
    return model


def keras_metadata(folder: Path) -> str:
    """What Keras says of the model itself, which is the first object of a SavedModel."""
    from tensorflow.core.protobuf import saved_model_pb2
    from tf_keras.protobuf import saved_metadata_pb2

    if (folder / "keras_metadata.pb").exists():
        content = (folder / "keras_metadata.pb").read_bytes()
        nodes = saved_metadata_pb2.SavedMetadata.FromString(content).nodes
        found = [node.metadata for node in nodes if node.node_id == 0]
    else:
        # TensorFlow before 2.5 keeps it among the objects, of which the model is the first.
        content = (folder / "saved_model.pb").read_bytes()
        graphs = saved_model_pb2.SavedModel.FromString(content).meta_graphs
        objects = [g.object_graph_def.nodes for g in graphs[:1]]
        found = [nodes[0].user_object.metadata for nodes in objects if nodes]
    if not found or not found[0]:
        raise ValueError("keras_metadata.pb is missing, or describes no Keras model")
    return str(found[0])


def read_config(path: Path) -> tuple[Json, str]:
    """The architecture in a model file, without a look at the rest of it."""
    import h5py

    if path.is_dir():
        raise ValueError(f"{path} is a folder; convert it first")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            text = archive.read("config.json").decode()
    elif h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            if "model_config" not in file.attrs:
                raise ValueError(f"{path} holds weights only, no model")
            stored = file.attrs["model_config"]
            text = stored.decode() if isinstance(stored, bytes) else str(stored)
    else:
        text = path.read_text(encoding="utf-8")
    return json.loads(text), text


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
    known["quantized_hswish"] = qkeras.quantized_hswish
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
    from tf_keras.src.engine.functional import Functional

    return isinstance(layer, Functional)


def calls(model: Layer) -> list[tuple[Layer, str]]:
    """The layers of a model in the order in which it calls them, each with its part of the key.

    The order is that of ``Functional._run_internal_graph``. Calls are numbered as
    ``get_network_config`` writes them to a file: by position among the layer's own nodes.
    """
    import tf_keras

    if isinstance(model, tf_keras.Sequential):
        return [(layer, layer.name) for layer in model.layers]
    result = []
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input:
                k = own_nodes(model, node.layer).index(node)
                result.append((node.layer, f"{node.layer.name}@{k}" if k else node.layer.name))
    return result


def own_nodes(model: Layer, layer: Layer) -> list[Layer]:
    """The calls of a layer that belong to a model, in the order in which they were made."""
    nodes = enumerate(layer._inbound_nodes)
    return [node for i, node in nodes if f"{layer.name}_ib-{i}" in model._network_nodes]


def trace_keys(model: Layer, prefix: str = "") -> list[str]:
    """The names of all results that running the model records."""
    keys = []
    for layer, part in calls(model):
        if is_container(layer):
            keys += trace_keys(layer, f"{prefix}{part}/")
        else:
            keys.append(prefix + part)
    return keys


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
    if len(flat) != len(model.output_names):
        raise RuntimeError(f"{len(flat)} outputs, but {len(model.output_names)} names")
    return {name: as_float32(y, name) for name, y in zip(model.output_names, flat, strict=True)}


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

    Layers that hold their weights in further layers (``Bidirectional``) are left out, so that
    nothing is said of them; recurrent layers are represented by their cell.
    """
    result: dict[str, Array] = {}
    for layer in model.layers:
        if is_container(layer):
            result.update(effective_weights(layer, f"{prefix}{layer.name}/"))
            continue
        for role, value in layer_weights(unwrapped(layer)).items():
            result[f"{prefix}{layer.name}/{role}"] = as_float32(value.numpy(), layer.name)
    return result


def unwrapped(layer: Layer) -> Layer:
    """The layer that computes: inside a pruning wrapper, once its masks are applied; a cell."""
    if type(layer).__name__ == "PruneLowMagnitude":
        layer.pruning_obj.weight_mask_op()
        layer = layer.layer
    return getattr(layer, "cell", layer)


def layer_weights(layer: Layer) -> dict[str, Layer]:
    """One layer's effective weights by Keras's variable names."""
    if hasattr(layer, "get_folded_weights"):
        return folded_weights(layer)
    own = [*layer._trainable_weights, *layer._non_trainable_weights]
    roles = {variable.name.rpartition("/")[2].partition(":")[0]: variable for variable in own}
    return {
        role: quantized(layer, role, variable)
        for role, variable in roles.items()
        if variable.dtype.is_floating
    }


def folded_weights(layer: Layer) -> dict[str, Layer]:
    """Kernel and bias with the batch normalization folded in, then quantized."""
    role = "depthwise_kernel" if hasattr(layer, "depthwise_quantizer_internal") else "kernel"
    kernel, bias = layer.get_folded_weights()
    return {role: quantized(layer, role, kernel), "bias": quantized(layer, "bias", bias)}


def quantized(layer: Layer, role: str, value: Layer) -> Layer:
    """*value* through the layer's quantizer of that role, if there is one."""
    import tensorflow as tf

    stem = role.replace("moving_", "")
    stem = stem if stem == "kernel" else stem.replace("_kernel", "")
    quantizer = getattr(layer, f"{stem}_quantizer_internal", None)
    if quantizer is None:
        return tf.convert_to_tensor(value)
    if type(layer).__name__ == "QSeparableConv1D" and role != "bias":
        # The layer computes in two dimensions and quantizes after it has added one.
        return tf.squeeze(quantizer(tf.expand_dims(value, 0)), 0)
    return tf.convert_to_tensor(quantizer(value))


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
        if do == "convert":
            return convert(request)
        if do == "opaque":
            return opaque(request)
        if do == "weights":
            return keys_of(request["outputs"], effective_weights(self._model))
        raise ValueError(f"unknown request {do!r}")

    def load(self, request: Json) -> Config:
        """Load a model and describe it."""
        weights = request.get("weights")
        model = load_model(Path(request["model"]), Path(weights) if weights else None, self._folder)
        self._model = model
        return {
            "versions": versions(),
            "inputs": [
                {"name": name, "shape": list(tensor.shape), "dtype": tensor.dtype.name}
                for name, tensor in zip(model.input_names, model.inputs, strict=True)
            ],
            "outputs": list(model.output_names),
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
        graph = named_outputs(self._model, self._model.predict_on_batch(inputs))
        return {"differences": {name: difference(eager[name], graph[name]) for name in eager}}

    def _read(self, request: Json) -> Layer:
        """The tensors that the model takes, in its order."""
        import numpy as np
        import tensorflow as tf

        model = self._model
        with np.load(request["inputs"], allow_pickle=False) as arrays:
            if set(arrays) != set(model.input_names):
                raise ValueError(f"inputs {sorted(arrays)}, the model takes {model.input_names}")
            tensors = [
                tf.constant(arrays[name].astype(tensor.dtype.as_numpy_dtype))
                for name, tensor in zip(model.input_names, model.inputs, strict=True)
            ]
        return tensors if len(tensors) > 1 else tensors[0]


def convert(request: Json) -> Config:
    """Write the model of a SavedModel folder to a file."""
    try:
        model = read_saved_model(Path(request["model"]))
        model.save(request["output"], include_optimizer=False, save_format="h5")
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        # Whatever TensorFlow raises, it is the folder that it cannot read.
        return {"refused": f"{type(error).__name__}: {error}"}
    return {}


# ---- One layer by tf2onnx ----

#: The oldest opset that qconvert exports to, from which ONNX's own converter goes on.
FRAGMENT_OPSET = 13


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """Why a layer is not converted."""


def opaque(request: Json) -> Config:
    """Convert one stock layer with its weights, at inference, and write it to a file."""
    import numpy as np
    import tf_keras

    with np.load(request["weights"], allow_pickle=False) as arrays:
        weights = [arrays[str(i)] for i in range(len(arrays.files))]
    try:
        layer = stock_layer(request["class_name"], request["config"])
        inputs = [
            tf_keras.Input(shape[1:], name=f"x{i}") for i, shape in enumerate(request["shapes"])
        ]
        output = called(layer, inputs)
        if [w.shape.as_list() for w in layer.weights] != [list(w.shape) for w in weights]:
            raise Refused(f"takes weights {[tuple(w.shape) for w in layer.weights]}")
        layer.set_weights(weights)
        write_fragment(layer, [each.shape for each in inputs], Path(request["output"]))
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        # Whatever Keras or tf2onnx raises, it is this layer that they cannot take.
        told = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
        return {"refused": told}
    own = {id(variable) for variable in (*layer._trainable_weights, *layer._non_trainable_weights)}
    roles = [
        w.name.rpartition("/")[2].partition(":")[0]
        if id(w) in own and w.dtype.is_floating
        else None
        for w in layer.weights
    ]
    converter = f"tf2onnx {version('tf2onnx')}"
    return {"converter": converter, "shape": output.shape.as_list(), "roles": roles}


def stock_layer(class_name: str, config: Config) -> Layer:
    """A layer of Keras's own, without a state, of a configuration that names no code."""
    import tf_keras

    kind: Layer = getattr(tf_keras.layers, class_name, None)
    if not getattr(kind, "__module__", "").startswith("tf_keras.src.layers."):
        raise Refused("is no layer of Keras's own")
    if issubclass(kind, (tf_keras.layers.Lambda, tf_keras.layers.RNN, tf_keras.layers.Wrapper)):
        raise Refused("holds code, a state or another layer")
    refuse_code(config)
    layer = kind.from_config(config)
    if layer.stateful or layer.compute_dtype != "float32":
        raise Refused(f"stateful={layer.stateful}, in {layer.compute_dtype}")
    return layer


def called(layer: Layer, inputs: list[Layer]) -> Layer:
    """The symbolic result, which has to be one float32 tensor without a mask."""
    output = layer(inputs if len(inputs) > 1 else inputs[0], training=False)
    if isinstance(output, (dict, list, tuple)):
        raise Refused("returns several tensors")
    if getattr(output, "_keras_mask", None) is not None:
        raise Refused("makes a mask for the layers behind it")
    if output.dtype.name != "float32":
        raise Refused(f"returns {output.dtype.name}")
    return output


def write_fragment(layer: Layer, shapes: list[Layer], path: Path) -> None:
    """The layer in operators of the standard domain, without control flow."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    def compute(*tensors: Layer) -> Layer:
        return layer(list(tensors) if len(tensors) > 1 else tensors[0], training=False)

    taken = [tf.TensorSpec(shape, tf.float32, f"x{i}") for i, shape in enumerate(shapes)]
    model, _ = tf2onnx.convert.from_function(
        tf.function(compute, autograph=False), input_signature=taken, opset=FRAGMENT_OPSET
    )
    names = [value.name for value in model.graph.input]
    if names != [each.name for each in taken] or len(model.graph.output) != 1:
        raise Refused(f"tf2onnx leaves the inputs {names}")
    attributes = [a for node in model.graph.node for a in node.attribute]
    if any(a.HasField("g") or a.graphs for a in attributes):
        raise Refused("tf2onnx makes it of branches or loops")
    kept = [each for each in model.opset_import if each.domain == ""]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def versions() -> dict[str, str]:
    """What computed the results."""
    import numpy as np
    import tensorflow as tf
    import tf_keras

    return {
        "python": sys.version.partition(" ")[0],
        "tensorflow": tf.__version__,
        "tf_keras": tf_keras.__version__,
        "qkeras": version("qkeras"),
        "numpy": np.__version__,
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
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
    part.replace(path)
    return {"keys": list(arrays)}


def failure(error: BaseException) -> dict[str, str]:
    """An error as an answer."""
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    message = str(error) or type(error).__name__
    return {"error": message, "type": type(error).__name__, "traceback": "".join(lines)}


def serve(requests: Iterable[str], replies: TextIO, unavailable: ImportError | None) -> None:
    """Answer requests until there are no more."""
    with tempfile.TemporaryDirectory(prefix="qconvert-worker-") as folder:
        worker = Worker(Path(folder))
        for line in requests:
            request = json.loads(line)
            if request["do"] == "stop":
                return
            try:
                answer = failure(unavailable) if unavailable else worker.answer(request)
            except Exception as error:
                answer = failure(error)
            print(json.dumps({"id": request.get("id"), **answer}), file=replies, flush=True)


def import_everything() -> tuple[ModuleType, ...]:
    """Import what is needed while no request is waiting for it yet."""
    import h5py
    import qkeras
    import tensorflow
    import tf_keras

    return (h5py, qkeras, tensorflow, tf_keras)


def main() -> None:
    """Keep standard output for answers, import TensorFlow, and serve."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.environ.update({**DEFAULTS, **os.environ, **ENVIRONMENT})
    # Python puts this folder first, where modules could hide those of TensorFlow.
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]
    unavailable = None
    try:
        import_everything()
    except ImportError as error:
        unavailable = error
    serve(sys.stdin, replies, unavailable)


if __name__ == "__main__":
    main()
