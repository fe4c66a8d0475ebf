"""Refuses configurations that hold or name code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .aliases import Config, Json


SAFE_PACKAGES = {"builtins", "fkeras", "keras", "qkeras", "tf_keras"}
SAFE_PACKAGES |= {"tensorflow_model_optimization"}
#: Namespaces of the TensorFlow functions that a ``TFOpLambda`` may call; others touch files.
SAFE_NAMESPACES = {"__operators__", "bitwise", "image", "linalg", "math", "nn"}
#: What ``tf.pad``, ``tf.squeeze`` and ``tf.transpose`` are called in files.
SAFE_FUNCTIONS = {"compat.v1.pad", "compat.v1.squeeze", "compat.v1.transpose"}
UNSAFE_FUNCTIONS = {"function", "load_library", "load_op_library", "numpy_function", "print"}
UNSAFE_FUNCTIONS |= {"py_function", "recompute_grad"}


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
