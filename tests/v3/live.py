"""Reads live models of qkeras-v3 and prints those outputs in which the reference is not Keras.

Run by the other interpreter: ``live.py``.
"""

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import keras
import numpy as np
import qkeras

from qconvert.errors import UnsupportedError, UsageError
from qconvert.frontend import build_graph
from qconvert.frontend.live import model_file
from qconvert.reference import evaluate
from tests.v3.build_models import MODELS, fill


def compare(name: str) -> None:
    """A model of the table, as it is before it is saved."""
    keras.utils.clear_session()
    model = MODELS[name]()
    fill(model, 1.0)
    rng = np.random.default_rng(2)
    given = [rng.integers(-4, 5, (3, *x.shape[1:])).astype(np.float32) for x in model.inputs]
    graph = build_graph(model_file(model))
    names = [source.name for source in graph.inputs]
    values = evaluate(graph, dict(zip(names, given, strict=True)))
    results = keras.tree.flatten(model(given if len(given) > 1 else given[0], training=False))
    for output, expected in zip(graph.outputs, results, strict=True):
        same = np.array_equal(values[output.value], np.asarray(expected))
        print(f"{name} {output.name} {'equal' if same else 'DIFFERENT'}")


def refusal(model: Any) -> str:
    """Which error of ours tells that a model cannot be read."""
    try:
        build_graph(model_file(model))
    except (UnsupportedError, UsageError) as error:
        return type(error).__name__
    return "none"


def main() -> None:
    """Models with functions, with cells and with models inside, and what is refused."""
    for name in ("operators", "cells", "nested", "functions"):
        compare(name)
    x = keras.Input((4,), name="x")
    unknown = keras.Model(x, keras.ops.where(x > 0, x, -x))
    print("unknown", refusal(unknown))
    quantizer = qkeras.quantized_bits(4, alpha="auto_po2", post_training_scale=0.5)
    print("unwritten", refusal(keras.Model(x, keras.layers.Activation(quantizer)(x))))


if __name__ == "__main__":
    main()
