"""Prints digests of what ``predict`` computes of models, as the worker and as AutoGraph has it.

    FILE...

The names of functions are numbered in the order in which they are made, and mean nothing.
"""

import hashlib
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import tensorflow as tf
import tf_keras

from qconvert.runners.tf_worker.loading import load_model


def digest(file: Path) -> str:
    """Of the graph of ``predict``."""
    tf_keras.backend.clear_session()
    with tempfile.TemporaryDirectory() as folder:
        model = load_model(file, None, Path(folder))
    inputs = [np.zeros((x.shape[0] or 2, *x.shape[1:]), np.float32) for x in model.inputs]
    model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0])
    (function,) = model.predict_function._list_all_concrete_functions()
    graph = function.graph.as_graph_def()
    functions = sorted(map(_text, graph.library.function))
    return hashlib.sha256("".join([*map(_text, graph.node), *functions]).encode()).hexdigest()


def _text(part: Any) -> str:
    return re.sub(r"_\d+(?![0-9a-zA-Z])", "", str(part))


def main(names: list[str]) -> None:
    """Print two digests of each."""
    files = list(map(Path, names))
    found = [[digest(file) for file in files]]
    tf.autograph.experimental.do_not_convert = lambda function: function
    found.append([digest(file) for file in files])
    print(json.dumps(found))


main(sys.argv[1:])
