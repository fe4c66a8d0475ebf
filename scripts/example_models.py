"""Build the networks of QKeras's own examples and tests, convert them and check them.

Prints what became of each, and what differs from what ``examples/`` states; then the exit code
is 1. Names of models as arguments choose some of them.
"""

import argparse
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tensorflow as tf
from tensorflow.python.ops import array_ops
from tensorflow.python.util import nest

import qconvert
from qconvert.checking import CheckedFile, Report, Subject, assemble, examine, seeded
from qconvert.errors import UnsupportedError
from qconvert.runners.tf import TensorFlowRunner
from scripts.examples import classifiers
from scripts.examples.example import Example, built

EXAMPLES: Final = classifiers.EXAMPLES


def main() -> int:
    """Check the models and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="models to check; all, if none is given")
    parser.add_argument("--samples", type=int, default=8, help="of each model")
    arguments = parser.parse_args()
    # What QKeras 0.9.0 uses of TensorFlow and TensorFlow no longer has.
    array_ops.stack, array_ops.unstack = tf.stack, tf.unstack
    nest.is_sequence = nest.is_nested
    # Keras says much about files and initializers, for every model.
    warnings.simplefilter("ignore")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    for example in EXAMPLES:
        import time
        t=time.time()
        if arguments.names and example.name not in arguments.names: continue
        try:
            model = built(example)
        except Exception as e:
            print(example.name, "BUILD", type(e).__name__, str(e)[:200]); continue
        model.save("/tmp/ex.h5")
        t1=time.time()
        try:
            exported = qconvert.export("/tmp/ex.h5")
        except Exception as e:
            print(example.name, "EXPORT", type(e).__name__, str(e)[:600]); continue
        t2=time.time()
        report = check(Path("/tmp/ex.h5"), exported, arguments.samples)
        print(example.name, report.verdict.value, "%.1f %.1f %.1f"%(t1-t,t2-t1,time.time()-t2), [(l.name, l.finding.verdict.value, l.finding.reason, l.finding.worst.difference.differing) for l in report.layers if l.finding.verdict.value!="SAMPLED"], [(w.layer,w.role,w.verdict.value) for w in report.weights if w.verdict.value!="PROVEN"], [w.failure for w in report.witnesses if w.failure], flush=True)
    return 0

RUN=[]
def check(path, exported, samples):
    graph = qconvert.load(path)
    if not RUN:
        RUN.append(TensorFlowRunner(path).__enter__())
    else: RUN[0].reload()
    panel = assemble(graph, exported.model, RUN[0])
    file = CheckedFile(None, "")
    return examine(Subject(graph, file, file), panel, seeded(graph, samples))

if __name__ == "__main__":
    sys.exit(main())
