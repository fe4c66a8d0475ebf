"""Runs configurations of quantizers of qkeras-v3, and its functions, one after the other.

Run by the other interpreter: ``quantize.py TASKS INPUTS OUTPUTS``, the first a JSON list of
(name, options, name of the input), the others NumPy archives; results are numbered. A quantizer
that fails has none, and is printed.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import numpy as np
import qkeras
import tensorflow as tf


def run(name: str, options: dict[str, Any], x: Any) -> Any:
    frozen = options.get("post_training_scale")
    if isinstance(frozen, list):
        options = {**options, "post_training_scale": np.array(frozen, np.float32)}
    quantizer = getattr(qkeras, name)
    return np.asarray((quantizer(**options) if isinstance(quantizer, type) else quantizer)(x))


def main(tasks: Path, inputs: Path, outputs: Path) -> None:
    results = {}
    with np.load(inputs) as arrays:
        tensors = {key: tf.constant(array) for key, array in arrays.items()}
    for i, (name, options, key) in enumerate(json.loads(tasks.read_text())):
        try:
            results[str(i)] = run(name, options, tensors[key])
        except Exception as error:
            print(f"{i} {name} {options}: {type(error).__name__}: {str(error)[:200]!r}")
    np.savez(outputs, **results)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
