"""Programs that compute a model, for `timing`: each takes and returns arrays of one batch.

Inputs are found by their names; those of a program with other names, in their order.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .loading import load_model
from .tracing import input_names, named_outputs, run_eagerly

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .aliases import Array, Json, Layer

    Program = Callable[[Mapping[str, Array]], list[Array]]

#: What TensorFlow Lite's converter makes.
CONVERTED = "model.tflite"
#: ONNX Runtime's level of messages.
ERRORS_ONLY = 3


def prepare(threads: int) -> None:
    """Have TensorFlow compute with so many threads, or, for 0, with as many as it takes.

    Before it is imported, which a model's loading does with settings of its own.
    """
    if threads:
        names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        os.environ.update(dict.fromkeys(names, str(threads)))


def start(request: Json, folder: Path) -> Program:
    """The program that is asked for, ready to be called."""
    kind, file, threads = request["kind"], Path(request["file"]), request["threads"]
    if kind == "onnxruntime":
        return in_onnx_runtime(file, threads)
    weights = request.get("weights")
    model = load_model(file, Path(weights) if weights else None, folder)
    if kind == "eager":
        return by_calling(model)
    if kind == "predict":
        return by_predict(model)
    if kind == "function":
        return by_function(model)
    if kind == "tflite":
        return in_tflite(model, threads, folder / CONVERTED)
    raise ValueError(f"unknown program {kind!r}")


def ordered(arrays: Mapping[str, Array], names: Sequence[str]) -> list[Array]:
    """The arrays for inputs of these names."""
    if all(name in arrays for name in names):
        return [arrays[name] for name in names]
    if len(arrays) != len(names):
        raise ValueError(f"inputs {sorted(arrays)}, the program takes {list(names)}")
    return list(arrays.values())


def in_onnx_runtime(file: Path, threads: int, profile: Path | None = None) -> Program:
    """An ONNX file as it is deployed; *profile* takes the time of each operator."""
    session = session_of(file, threads, profile)
    names = [source.name for source in session.get_inputs()]

    def call(arrays: Mapping[str, Array]) -> list[Array]:
        given = dict(zip(names, ordered(arrays, names), strict=True))
        results: list[Array] = session.run(None, given)
        return results

    return call


def session_of(file: Path, threads: int, profile: Path | None = None) -> Layer:
    """ONNX Runtime's session, on the CPU, with default options but the number of threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = ERRORS_ONLY
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def by_calling(model: Layer) -> Program:
    """The model as it defines itself, operator by operator."""
    import tensorflow as tf

    names = input_names(model)

    def call(arrays: Mapping[str, Array]) -> list[Array]:
        given = alone([tf.constant(array) for array in ordered(arrays, names)])
        return list(run_eagerly(model, given).values())

    return call


def by_predict(model: Layer) -> Program:
    """Keras's ``predict``, which batches, traces and calls back."""
    names = input_names(model)

    def call(arrays: Mapping[str, Array]) -> list[Array]:
        inputs = ordered(arrays, names)
        results = model.predict(alone(inputs), batch_size=len(inputs[0]), verbose=0)
        return list(named_outputs(model, results).values())

    return call


def by_function(model: Layer) -> Program:
    """The model in one graph of TensorFlow."""
    import tensorflow as tf

    names, traced = input_names(model), function_of(model)

    def call(arrays: Mapping[str, Array]) -> list[Array]:
        results = traced(*map(tf.constant, ordered(arrays, names)))
        return list(named_outputs(model, results).values())

    return call


def function_of(model: Layer) -> Layer:
    """The model at inference as a function of TensorFlow, of one tensor an input."""
    import tensorflow as tf

    return tf.function(lambda *x: model(alone(x), training=False))


def signature(model: Layer) -> list[Layer]:
    """What it takes, ``x0`` and so on: Keras's names may have letters that others refuse."""
    import tensorflow as tf

    return [tf.TensorSpec(x.shape, x.dtype, f"x{i}") for i, x in enumerate(model.inputs)]


def in_tflite(model: Layer, threads: int, converted: Path) -> Program:
    """The model as TensorFlow Lite converts it, in floats, to the file *converted*."""
    import tensorflow as tf

    traced = function_of(model).get_concrete_function(*signature(model))
    content = tf.lite.TFLiteConverter.from_concrete_functions([traced], model).convert()
    used = threads or os.cpu_count()
    converted.write_bytes(content)
    interpreter = tf.lite.Interpreter(model_path=str(converted), num_threads=used)
    taken = sorted(interpreter.get_input_details(), key=lambda each: str(each["name"]))
    names = input_names(model)

    def call(arrays: Mapping[str, Array]) -> list[Array]:
        inputs = ordered(arrays, names)
        for place, array in zip(taken, inputs, strict=True):
            interpreter.resize_tensor_input(place["index"], array.shape)
        # Nothing is done where the sizes are those of the call before.
        interpreter.allocate_tensors()
        for place, array in zip(taken, inputs, strict=True):
            interpreter.set_tensor(place["index"], array)
        interpreter.invoke()
        return [interpreter.get_tensor(x["index"]) for x in interpreter.get_output_details()]

    return call


def alone(inputs: Sequence[Layer]) -> Layer:
    """What a Keras model of one input takes, which is no list."""
    return inputs[0] if len(inputs) == 1 else list(inputs)


def to_onnx(request: Json, folder: Path) -> dict[str, str]:
    """Have tf2onnx convert the live model, with its defaults; or why it does not."""
    weights = request.get("weights")
    model = load_model(Path(request["model"]), Path(weights) if weights else None, folder)
    import tf2onnx

    try:
        tf2onnx.convert.from_function(
            function_of(model), input_signature=signature(model), output_path=request["output"]
        )
    except MemoryError:
        raise
    except Exception as error:
        # Whatever tf2onnx raises, it is this model that it cannot take.
        return {"refused": f"{type(error).__name__}: {error}"}
    return {"converter": f"tf2onnx {tf2onnx.__version__}"}
